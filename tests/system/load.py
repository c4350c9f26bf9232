"""Requests that come in while something is done to the service."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import func, select

from service.tables.jobs import Job
from tests.servers import Command, eventually
from tests.training import SEED_JOB, Workshop


@dataclass
class Api:
    """The API process, and what it has answered."""

    port: int
    process: Command
    accepted: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    slowest: float = 0.0

    def post(self, path: str, body: object) -> dict[str, object]:
        """Posts and notes status and time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            began = time.monotonic()
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: dict[str, object] = json.loads(response.read())
            self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses.add(response.status)
        assert response.status != http.HTTPStatus.SERVICE_UNAVAILABLE or response.headers["Retry-After"]
        if response.status == http.HTTPStatus.ACCEPTED:
            self.accepted.append(str(answer["id"]))
        return answer

    @contextmanager
    def under_load(self, dataset_id: str, *, may_be_away: bool = False) -> Iterator[None]:
        """Posts small jobs again and again, until the block is over."""
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(0.1):
                try:
                    self.post("/api/v1/jobs", {**SEED_JOB, "dataset_id": dataset_id})
                except (OSError, http.client.HTTPException):
                    if not may_be_away:
                        raise

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)


Serve = Callable[..., Api]


def listens(port: int) -> bool:
    """Says whether an API answers on the port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False


def all_succeed(workshop: Workshop, ids: list[str]) -> None:
    """Waits until every one of the accepted jobs has succeeded."""

    def left() -> int:
        with workshop.database.reading() as db:
            query = select(func.count()).where(Job.id.in_(ids), Job.status != "succeeded")
            return db.scalar(query.select_from(Job)) or 0

    assert ids
    eventually(lambda: not left(), seconds=120, what="every accepted job has succeeded")
