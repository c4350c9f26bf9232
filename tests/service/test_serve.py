"""The API process: its application, and what it refuses."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.serve import application, run
from service.settings import Settings
from service.tables.schema import OutdatedSchema
from tests.servers import Command, ValkeyServer, eventually, free_port

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
    port = free_port()
    settings = Settings(database_url=sqlite_url, broker_url=valkey.url, data_dir=tmp_path, port=port)
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
    slow = [socket.create_connection(("127.0.0.1", api), 20) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    quick = answers(api, SIGN_OF_LIFE)
    assert quick.startswith(b"HTTP/1.1 200")
    for connection in slow:
        said = connection.recv(4096)
        assert said == b"" or said.startswith(b"HTTP/1.1 408")
        connection.close()


@pytest.mark.system
def test_a_huge_head_is_refused(api: int) -> None:
    said = answers(api, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Huge: " + b"a" * 100_000 + b"\r\n\r\n")
    assert said == b"" or said.startswith(b"HTTP/1.1 4")
    quick = answers(api, SIGN_OF_LIFE)
    assert quick.startswith(b"HTTP/1.1 200")


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
