"""A service of several processes to which anything may happen, and a client that is careful all the same."""

import http.client
import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

from tests.servers import Command, PostgresServer, ValkeyServer, eventually
from tests.system.load import listens
from tests.system.outcomes import children
from tests.training import SEED_JOB

SMALL, LONG = 21, 60_000  # epochs: a job of some milliseconds, and one with several transactions of progress
ACCEPTED_SECONDS = 60.0
FROZEN_SECONDS = 4.0  # longer than the lease
LEASE_SECONDS = 3.0


@dataclass
class Client:
    """Posts jobs as a careful user does: under a key of its own, again and again until it is accepted."""

    port: int
    dataset_id: str = ""
    accepted: dict[str, int] = field(default_factory=dict)  # epochs by id
    answers: Counter[object] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Makes the dataset that all jobs train on."""
        answer, dataset = self._post("/api/v1/datasets", {"sample": "moons"}, "dataset")
        assert answer == http.HTTPStatus.CREATED, dataset
        self.dataset_id = str(dataset["id"])

    def order(self, epochs: int) -> str:
        """The id of the job, whatever is down meanwhile."""
        training = {**SEED_JOB["training"], "epochs": epochs}
        body = {**SEED_JOB, "training": training, "dataset_id": self.dataset_id}
        asking = partial(self._ask, body, uuid.uuid4().hex)
        job_id = eventually(asking, seconds=ACCEPTED_SECONDS, what=f"the job is accepted: {self.answers}")
        self.accepted[job_id] = epochs
        return job_id

    def go_on(self) -> None:
        """Orders small jobs, and now and then a long one, until it is over."""
        while not self.over.wait(0.2):
            self.order(SMALL if len(self.accepted) % 8 else LONG)

    def _ask(self, body: object, key: str) -> str | None:
        try:
            status, document = self._post("/api/v1/jobs", body, key)
        except (OSError, http.client.HTTPException) as error:
            self.answers[type(error).__name__] += 1  # killed while it answered: the key tells what it did
            time.sleep(0.1)
            return None
        self.answers[status] += 1
        # 409: the first try is at work still, or its process was killed and its key is not free yet.
        assert status in {202, 409, 503}, document
        if status == http.HTTPStatus.ACCEPTED:
            return str(document["id"])
        time.sleep(0.1)
        return None

    def _post(self, path: str, body: object, key: str) -> tuple[int, dict[str, object]]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@dataclass
class Chaos:
    """The parts of the service, and everything that may happen to them."""

    port: int
    start_api: Callable[[], Command]
    start_worker: Callable[[], Command]
    valkey: ValkeyServer
    postgres: PostgresServer | None
    api: list[Command] = field(default_factory=list)
    workers: list[Command] = field(default_factory=list)
    strikes: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Starts the API and two workers."""
        self.api.append(self.start_api())
        self.workers += [self.start_worker(), self.start_worker()]
        eventually(lambda: listens(self.port), what=self.api[0].output)

    def reign(self, seconds: float, seed: int) -> Iterator[str]:
        """Strikes at random, each part about as often; yields after each strike."""
        chance, end = random.Random(seed), time.monotonic() + seconds
        kinds = [self._kill_api, self._kill_answering, self._kill_worker, self._kill_training]
        kinds += [self._kill_sweeper, self._freeze_worker, self._kill_broker]
        kinds += [self._crash_database] if self.postgres else []
        while time.monotonic() < end:
            strike = chance.choice(kinds)
            self.strikes.append(strike.__name__)
            strike()
            yield strike.__name__
            threading.Event().wait(chance.uniform(0.2, 2.0))

    def supervise(self) -> None:
        """Starts an API again that gave up since its processes were killed; nothing else may have ended."""
        for part in self.workers:
            assert part.process.poll() is None, (self.strikes, part.output)
        if self.api[0].process.poll() is not None:
            assert "Worker crash loop detected" in self.api[0].output, (self.strikes, self.api[0].output)
            self.api[:] = [self.start_api()]

    def _kill_api(self) -> None:
        self.api.pop().kill()
        self.api.append(self.start_api())

    def _kill_answering(self) -> None:
        self.supervise()
        _kill_children(self.api[0], sweeper=False)

    def _kill_worker(self) -> None:
        self.workers.pop(0).kill()
        self.workers.append(self.start_worker())

    def _kill_training(self) -> None:
        _kill_children(self.workers[0], sweeper=False)

    def _kill_sweeper(self) -> None:
        _kill_children(self.workers[0], sweeper=True)

    def _freeze_worker(self) -> None:
        session = self.workers[0].process.pid
        os.killpg(session, signal.SIGSTOP)
        threading.Event().wait(FROZEN_SECONDS)
        os.killpg(session, signal.SIGCONT)

    def _kill_broker(self) -> None:
        self.valkey.kill()
        threading.Event().wait(0.5)
        self.valkey.start()

    def _crash_database(self) -> None:
        assert self.postgres is not None
        self.postgres.crash()
        threading.Event().wait(0.5)
        self.postgres.restart()


def _kill_children(part: Command, *, sweeper: bool) -> None:
    with suppress(OSError):  # it is ending by itself
        for pid in children(part.process.pid, sweeper=sweeper):
            os.kill(pid, signal.SIGKILL)
