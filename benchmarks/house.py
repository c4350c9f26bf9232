"""A whole service for the benchmarks: `gradhouse` processes on a database of either kind, and its clients."""

import http.client
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from service.settings import Settings
from service.tables.base import Database
from service.tables.schema import upgrade
from tests.servers import Command, PostgresServer, ValkeyServer, eventually, free_port

DATABASES = ("sqlite", "postgresql")
TINY_JOB: dict[str, Any] = {
    "target": "y",
    "split": {"validation": 0},
    "model": {"hidden_layers": [{"units": 16, "activation": "tanh"}]},
    "loss": "hinge",
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "training": {"epochs": 21},
}


class Caller:
    """A client that takes little of the cores that it shares with the service: `http.client`, kept open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Any:
        """The document at a path of the API. Raises RuntimeError unless it is there."""
        return self._ask("GET", path)

    def post(self, path: str, document: object) -> Any:
        """What a POST is answered. Raises RuntimeError where it is refused."""
        return self._ask("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _ask(self, method: str, path: str, *body: Any) -> Any:
        self._connection.request(method, f"/api/v1{path}", *body)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {said[:500]!r}")
        return json.loads(said)


@dataclass(frozen=True)
class House:
    """A running service."""

    settings: Settings
    folder: Path
    api: Command | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.settings.port}/api/v1"

    def caller(self) -> Caller:
        """A client for what is measured."""
        return Caller(self.settings.port)

    def client(self) -> httpx.Client:
        """A client for everything else, which keeps its connection."""
        return httpx.Client(base_url=self.address, timeout=60)

    @contextmanager
    def part(self, name: str) -> Iterator[Command]:
        """One more process of it."""
        command = Command(name, environment=self.settings.environment(), log=self.folder / f"{name}.log")
        try:
            yield command
        finally:
            command.stop()
            command.close()

    def dataset(self, rows: int = 100) -> str:
        """The id of a hundred moons, or more."""
        with self.client() as http:
            answer = http.post("/datasets", json={"sample": "moons", "options": {"n_samples": rows}})
            return str(answer.raise_for_status().json()["id"])


@contextmanager
def open_house(kind: str, **changed: Any) -> Iterator[House]:
    """Database, broker and API of a service, settings changed; its worker is the caller's to start."""
    with tempfile.TemporaryDirectory(prefix="gh-bench-") as name:
        folder, broker = Path(name), ValkeyServer()
        postgres = PostgresServer(durable=True) if kind == "postgresql" else None
        url = _new_database(postgres) if postgres else f"sqlite:///{folder}/gradhouse.db"
        settings = Settings(database_url=url, broker_url=broker.url, data_dir=folder, port=free_port())
        unbounded = {"log_level": "WARNING", "max_queued": 100_000, "max_queued_per_owner": 100_000}
        house = House(replace(settings, **{**unbounded, **changed}), folder)
        database = Database(url)
        upgrade(database)
        database.close()
        try:
            with house.part("api") as api:
                eventually(lambda: _answers(house), what="the API answers")
                yield replace(house, api=api)
        finally:
            broker.stop()
            if postgres:
                postgres.stop()


def _new_database(server: PostgresServer) -> str:
    server.execute("CREATE DATABASE bench")
    return server.url("bench")


def _answers(house: House) -> bool:
    try:
        with house.client() as http:
            return http.get("/samples").is_success
    except httpx.TransportError:
        return False
