"""The service that `./dev bench load` loads: `gradhouse up` on either database, and its memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from service.settings import Settings
from tests.servers import Command, PostgresServer, ValkeyServer, eventually, free_port

MIB = 2**20
SAMPLED_SECONDS = 5.0  # to count all pages of all processes takes some 50 ms


@contextmanager
def running(folder: Path, *, postgresql: bool) -> Iterator[Service]:
    """A service that is ready, on SQLite and its own broker or on PostgreSQL and Valkey beside it."""
    if not postgresql:
        with started(Service(folder, {})) as service:
            yield service
        return
    database, broker = PostgresServer(durable=True), ValkeyServer()
    database.execute("CREATE DATABASE load")
    addresses = {"GRADHOUSE_DATABASE_URL": database.url("load"), "GRADHOUSE_BROKER_URL": broker.url}
    try:
        with started(Service(folder, addresses)) as service:
            yield service
    finally:
        broker.stop()
        database.stop()


@contextmanager
def started(service: Service) -> Iterator[Service]:
    """Starts the service, and stops it at the end."""
    service.start()
    try:
        yield service
    finally:
        service.command.stop()
        service.command.close()


@dataclass
class Service:
    """`gradhouse up`, its clients, and what its processes hold."""

    folder: Path
    addresses: dict[str, str]  # of database and broker, where they are not its own
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """The URL of its database."""
        return Settings(
            data_dir=self.folder, database_url=self.addresses.get("GRADHOUSE_DATABASE_URL", "")
        ).database

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        variables = {"GRADHOUSE_LOG_LEVEL": "WARNING", "GRADHOUSE_MAX_QUEUED": "100000"} | self.addresses
        words = ("up", "--data-dir", str(self.folder), "--port", str(self.port))
        self.command = Command(*words, environment=variables, log=self.folder.with_name("up.log"))
        eventually(self._ready, seconds=60, what="ready")

    def _ready(self) -> bool:
        assert self.command.process.poll() is None, self.command.output
        try:
            return httpx.get(f"{self.address}/readyz").is_success
        except httpx.TransportError:
            return False

    def client(self) -> httpx.Client:
        """A client that keeps its connection."""
        return httpx.Client(base_url=f"{self.address}/api/v1", timeout=60)

    def memory(self) -> dict[str, float]:
        """The MiB that each process holds for itself, by what it is."""
        found: dict[str, float] = {}
        for each in psutil.Process(self.command.process.pid).children(recursive=True):
            try:
                words, parent = each.cmdline(), each.ppid()
                own = each.memory_full_info().uss / MIB
            except psutil.Error:
                continue
            kinds = [
                kind for kind in ("valkey", "sweeper", "worker", "api") if any(kind in word for word in words)
            ]
            kind = kinds[0] if kinds else Path(words[0]).name
            child = parent != self.command.process.pid and kind in {"worker", "api"}
            found[f"{kind}{' child' if child else ''} {each.pid}"] = own
        return found


@dataclass(eq=False)
class Sampler(threading.Thread):
    """The memory of all processes, now and then."""

    service: Service
    samples: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def run(self) -> None:
        """Samples until it is over."""
        while not self.over.wait(SAMPLED_SECONDS):
            self.samples.append(self.service.memory())
