"""The API process: its application, and what it refuses."""

import gzip
import http.client
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from service.scopes import Scope
from service.serve import application, run
from service.settings import Settings
from service.tables import keys
from service.tables.base import Database
from service.tables.schema import OutdatedSchema
from service.telemetry.log import TURNED_AWAY_A_SECOND
from tests.servers import Command, ValkeyServer, eventually, free_port

WRITE = b"POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
SIGN_OF_LIFE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_an_api_refuses_a_database_without_tables(tmp_path: object) -> None:
    with pytest.raises(OutdatedSchema, match="gradhouse db upgrade"):
        run(Settings(database_url=f"sqlite:///{tmp_path}/empty.db"))


def test_the_application_takes_its_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADHOUSE_PORT", "0")
    with pytest.raises(ValueError, match="GRADHOUSE_PORT must be between 1 and 65535, got 0"):
        application()


@pytest.fixture
def api(sqlite_url: str, valkey: ValkeyServer, tmp_path: Path) -> Iterator[int]:
    """The port of a running API with tight bounds on heads."""
    with _running(sqlite_url, valkey, tmp_path) as port:
        yield port


@pytest.fixture
def key(sqlite_url: str) -> str:
    """A key that may write."""
    database = Database(sqlite_url)
    with database.session() as db:
        _row, key = keys.add(db, owner="alice", scope=Scope.WRITE, most=1)
    database.close()
    return key


@pytest.fixture
def keyed_api(key: str, sqlite_url: str, valkey: ValkeyServer, tmp_path: Path) -> Iterator[int]:
    """The port of a running API that asks for keys and knows one."""
    assert key
    with _running(sqlite_url, valkey, tmp_path, require_keys=True) as port:
        yield port


@contextmanager
def _running(sqlite_url: str, valkey: ValkeyServer, tmp_path: Path, **options: Any) -> Iterator[int]:
    port = free_port()
    settings = Settings(
        database_url=sqlite_url, broker_url=valkey.url, data_dir=tmp_path, port=port, **options
    )
    tight = {"GRADHOUSE_HEADER_SECONDS": "0.5", "GRADHOUSE_MAX_HEADER_BYTES": "8192"}
    command = Command("api", environment={**settings.environment(), **tight}, log=tmp_path / "api.log")
    eventually(lambda: answers(port, SIGN_OF_LIFE), what=command.output)
    yield port
    command.stop()
    command.close()


def answers(port: int, request: bytes) -> bytes:
    """What comes back until the service has nothing more to say; nothing where nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(request)
            return connection.recv(4096)
    except OSError:
        return b""


@pytest.mark.system
def test_heads_that_never_end_are_ended_and_hold_nobody_up(api: int) -> None:
    with _connections(api, 200) as slow:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        quick = answers(api, SIGN_OF_LIFE)
        assert quick.startswith(b"HTTP/1.1 200")
        for connection in slow:
            said = connection.recv(4096)
            assert said == b"" or said.startswith(b"HTTP/1.1 408")


@pytest.mark.system
def test_a_huge_head_is_refused(api: int) -> None:
    said = answers(api, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Huge: " + b"a" * 100_000 + b"\r\n\r\n")
    assert said == b"" or said.startswith(b"HTTP/1.1 4")
    quick = answers(api, SIGN_OF_LIFE)
    assert quick.startswith(b"HTTP/1.1 200")


@pytest.mark.system
def test_stalled_bodies_hold_nothing_else_up(api: int) -> None:
    """More than there are threads to answer: those beyond the bound are refused, and all else goes on."""
    head = WRITE + b"Content-Length: 1000000\r\n\r\nx,y\n"
    with _connections(api, 120) as stalled:
        for connection in stalled:
            connection.sendall(head)
        others = len(stalled) - 2 * 16  # two processes, each half of its readers
        eventually(lambda: len(_answered(stalled)) >= others, what="the others are refused")
        for connection in _answered(stalled):
            refused = HTTPResponse(connection)
            refused.begin()
            assert (refused.status, refused.getheader("Retry-After")) == (503, "1")
            assert b"too_many_bodies" in refused.read()
        for _ in range(20):
            assert answers(api, SIGN_OF_LIFE).startswith(b"HTTP/1.1 200")
    upload = WRITE + b"Content-Length: 100000\r\n\r\nx,y\n" + b"1,2\n" * 24_999
    eventually(lambda: answers(api, upload).startswith(b"HTTP/1.1 201"), what="bodies are read again")


@contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(count)]


def _answered(connections: list[socket.socket]) -> list[socket.socket]:
    """Those to which something has come back."""
    return select.select(connections, [], [], 0.1)[0]


@pytest.mark.system
def test_the_body_of_a_request_without_a_good_key_is_not_read(keyed_api: int) -> None:
    for key in (b"", b"Authorization: Bearer gradhouse_wrong\r\n"):
        with _connections(keyed_api, 120) as stalled:
            for connection in stalled:
                connection.sendall(WRITE + key + b"Content-Length: 1000000\r\n\r\n")
            for connection in stalled:
                assert connection.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.mark.system
@pytest.mark.parametrize("guesses", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_flood_of_wrong_keys_holds_nobody_up(
    keyed_api: int, key: str, tmp_path: Path, guesses: int
) -> None:
    """What is turned away leaves few lines and no memory, and whoever has a good key is served meanwhile."""
    flood = [threading.Thread(target=_guess, args=(keyed_api, guesses // 4)) for _ in range(4)]
    before, started = _private_bytes(tmp_path), time.monotonic()
    for thread in flood:
        thread.start()
    served = 0
    while any(thread.is_alive() for thread in flood):
        assert _status(keyed_api, key) == 200
        served += 1
    seconds = time.monotonic() - started
    assert served
    lines = (tmp_path / "api.log").read_text().splitlines()
    told = sum(1 for line in lines if "status=401" in line or "status=429" in line)
    assert told <= 2 * TURNED_AWAY_A_SECOND * (seconds + 2)  # two processes
    assert _private_bytes(tmp_path) - before < 32 * 2**20


def _guess(port: int, times: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for number in range(times):
        headers = {"Authorization": f"Bearer gradhouse_{number:064x}"}
        connection.request("GET", "/api/v1/models", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status in (401, 429)
    connection.close()


def _status(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/api/v1/models", headers={"Authorization": f"Bearer {key}"})
    status = connection.getresponse().status
    connection.close()
    return status


def _private_bytes(folder: Path) -> int:
    """The memory of the API's processes: those whose output goes to the log in this folder."""
    log, size = folder / "api.log", 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "fd" / "2").resolve() == log:
                kib = re.search(r"RssAnon:\s+(\d+)", (process / "status").read_text())
                size += int(kib[1]) * 1024 if kib else 0
    assert size
    return size


REFUSED: dict[str, tuple[str, str, dict[str, str], int]] = {
    "a foreign page": ("POST", "/api/v1/jobs", {"Origin": "http://evil.example"}, 403),
    "a wrong key": ("POST", "/api/v1/jobs", {"Authorization": "Bearer gradhouse_wrong"}, 401),
    "a media type": ("POST", "/api/v1/jobs", {"Content-Type": "text/plain"}, 415),
    "a missing model": ("POST", "/api/v1/models/none/predictions", {"Content-Type": "application/json"}, 404),
    "a missing address": ("POST", "/nowhere", {}, 404),
    "another method": ("PUT", "/api/v1/jobs", {}, 405),
    "a body that nobody asked for": ("GET", "/healthz", {}, 200),
}


@pytest.mark.system
def test_a_connection_outlives_refusals_of_small_bodies(keyed_api: int, key: str) -> None:
    """The head and the body go separately, so that the answer can be there before the body is."""
    for what, (method, address, headers, status) in REFUSED.items():
        connection = http.client.HTTPConnection("127.0.0.1", keyed_api, timeout=20)
        for _ in range(300):
            connection.putrequest(method, address)
            for name, value in {"Authorization": f"Bearer {key}", "Content-Length": "9", **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(b"x" * 9)
            response = connection.getresponse()
            response.read()
            assert (response.status, response.getheader("Connection")) == (status, None), what
            assert connection.sock is not None, what
        connection.close()


@pytest.mark.system
def test_a_connection_ends_with_the_refusal_of_a_large_body(api: int) -> None:
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    said = answers(api, head)
    assert said.startswith(b"HTTP/1.1 415")
    assert b"connection: close" in said


CSV = b"x,y\n1,a\n2,b\n"
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n' + CSV
CUT: dict[str, tuple[bytes, bytes, bytes]] = {
    "a bare file": (b"Content-Type: text/csv\r\nContent-Length: 5000", CSV, b"400"),
    "a file under a key": (
        b"Content-Type: text/csv\r\nIdempotency-Key: k\r\nContent-Length: 5000",
        CSV,
        b"400",
    ),
    "a packed file, cut after its first member": (
        b"Content-Type: text/csv\r\nContent-Encoding: gzip\r\nContent-Length: 5000",
        gzip.compress(CSV),
        b"400",
    ),
    "a form": (
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000",
        FORM + b"\r\n--b--\r\n",
        b"400",
    ),
    "JSON": (
        b"Content-Type: application/json\r\nContent-Length: 5000",
        b'{"columns": ["x"], "rows": [[1], [2]]}',
        b"400",
    ),
    "a file in chunks": (
        b"Content-Type: text/csv\r\nTransfer-Encoding: chunked",
        b"%x\r\n%b\r\n" % (len(CSV), CSV),
        b"411",
    ),
    "a form in chunks": (
        b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked",
        b"%x\r\n%b\r\n" % (len(FORM), FORM),
        b"422",
    ),
}


@pytest.mark.system
def test_a_client_that_hangs_up_half_way_leaves_nothing(api: int, tmp_path: Path) -> None:
    for what, (headers, half, status) in CUT.items():
        with socket.create_connection(("127.0.0.1", api), 20) as connection:
            head = b"POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n"
            connection.sendall(head + half)
            connection.shutdown(socket.SHUT_WR)
            said = connection.recv(4096)
        assert said.startswith(b"HTTP/1.1 " + status), (what, said)
    kept = answers(api, b"GET /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b'"data":[]' in kept
    assert list(tmp_path.glob("datasets/??/*")) == []
