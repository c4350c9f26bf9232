"""One attempt of a webhook against real receivers: slow ones, loud ones, and some that lead astray."""

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from service.tables.deliveries import Claimed
from service.worker.posting import NotDelivered, Told, post, signature
from tests.service.worker.receivers import Receiver

NOTICE = Claimed("dlv_1", 1, "", "a secret of some length", '{"type": "job.succeeded"}', 1, "local")
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def send(url: str, *, seconds: float = 5, private: bool = True) -> Told:
    return post(replace(NOTICE, url=url), seconds=seconds, private=private)


def refusal(url: str, *, seconds: float = 5, private: bool = True) -> str:
    with pytest.raises(NotDelivered) as refused:
        send(url, seconds=seconds, private=private)
    return str(refused.value)


def test_a_notice_is_signed(receiver: Receiver) -> None:
    assert send(receiver.url) == Told(200, "thanks", None)
    ((headers, body),) = receiver.heard
    assert (body, headers["Webhook-Id"]) == (NOTICE.body, "dlv_1")
    signed = signature("dlv_1", int(headers["Webhook-Timestamp"]), body, NOTICE.secret)
    assert headers["Webhook-Signature"] == signed


def test_a_signature_is_that_of_the_standard() -> None:
    """The numbers come from `openssl dgst -sha256 -hmac secret`."""
    assert signature("dlv_1", 1, "{}", "secret") == "v1,WWzg2yqGlMbfDdapfNwZEjo9KHY8qPtkdy4VRQOVrTE="


def test_a_redirect_is_told_and_not_followed(receiver: Receiver) -> None:
    receiver.tells(302, f"Location: http://localhost:{receiver.port}/inner")
    assert send(receiver.url) == Told(302, "", f"http://localhost:{receiver.port}/inner")
    assert len(receiver.heard) == 1


@pytest.mark.parametrize(
    ("begin", "size"),
    [
        (OK + b"Content-Length: 10000000\r\n\r\n", 10_000_000),
        (OK + b"\r\n", 1_000_000_000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 1_000_000_000),
    ],
    ids=["10 MB", "endless", "one endless chunk"],
)
def test_of_a_huge_answer_only_the_begin_is_read(receiver: Receiver, begin: bytes, size: int) -> None:
    piece = b"x" * 100_000
    receiver.answer = lambda: (begin, *(piece for _ in range(size // len(piece))))
    tracemalloc.start()
    told = send(receiver.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == Told(200, "x" * 200, None)
    assert receiver.cut.wait(10)
    assert peak < 2_000_000  # the receiver's pieces are among them


@pytest.mark.parametrize(
    "begin", [OK + b"X-Long: ", b"HTTP/1.1 200 "], ids=["a header without an end", "a status without an end"]
)
def test_a_huge_head_is_no_answer(receiver: Receiver, begin: bytes) -> None:
    piece = b"x" * 100_000
    receiver.answer = lambda: (begin, *(piece for _ in range(10_000)))
    assert refusal(receiver.url).startswith("what came back is not HTTP: LineTooLong")
    assert receiver.cut.wait(10)


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 20", b"0"),
        (OK, b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["nothing", "its status byte by byte", "headers for ever", "only that it goes on"],
)
def test_who_does_not_come_to_an_answer_is_left(receiver: Receiver, begin: bytes, drop: bytes) -> None:
    receiver.drips(begin, drop)
    began = time.monotonic()
    assert refusal(receiver.url, seconds=0.5) == "no answer within 0.5 s (webhook_seconds)"
    assert 0.4 < time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"Content-Length: 100000\r\n", b"."),
        (b"", b"."),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\n.\r\n"),
    ],
    ids=["with a length", "without one", "in chunks"],
)
def test_who_answers_and_then_drips_has_answered(receiver: Receiver, head: bytes, drop: bytes) -> None:
    receiver.drips(OK + head + b"\r\n", drop)
    began = time.monotonic()
    told = send(receiver.url, seconds=0.5)
    assert time.monotonic() - began < 5
    assert told.status == 200
    assert set(told.answer) == {"."}
    assert receiver.cut.wait(10)


def test_what_is_no_http_is_said_so(receiver: Receiver) -> None:
    receiver.answer = lambda: [b"\x00\x01 what\r\n\r\n"]
    assert refusal(receiver.url).startswith("what came back is not HTTP: BadStatusLine")


def test_a_receiver_that_hangs_up_or_is_not_there_is_said_so(receiver: Receiver) -> None:
    receiver.answer = list
    assert "Remote end closed connection without response" in refusal(receiver.url)
    receiver.close()
    assert refusal("http://127.0.0.1:1/hook") == "Connection refused"


def test_a_handshake_that_hangs_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/hook"
        assert refusal(url, seconds=0.5) == "no answer within 0.5 s (webhook_seconds)"


@pytest.mark.parametrize("host", ["[::1]", "[::]", "[fd00::1]", "127.0.0.1", "2130706433", "0x7f.1"])
def test_a_private_address_is_refused(host: str) -> None:
    assert "which is not a public address (webhook_private)" in refusal(
        f"http://{host}:9/hook", private=False
    )


def _resolves(address: str, port: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = _resolves("8.8.8.8", 80) + _resolves("10.0.0.1", 80)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    text = "two.example is 10.0.0.1, which is not a public address (webhook_private)"
    assert refusal("http://two.example/", private=False) == text


def test_a_name_that_changes_its_mind_after_the_check_reaches_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: of the name only the first answer is public, and only that one is connected to."""
    asked: list[str] = []

    def resolve(name: str, port: int, *_others: Any, **_options: Any) -> list[Any]:
        asked.append(name)
        if name == "192.88.99.1":
            raise OSError("no way there from a test")
        return _resolves("192.88.99.1" if len(asked) == 1 else "127.0.0.1", port)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = refusal(f"http://rebinding.example:{receiver.port}/hook", private=False)
    assert asked == ["rebinding.example", "192.88.99.1"]
    assert receiver.heard == []
    assert "no way there" in found


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.wait(20) and _resolves("8.8.8.8", 80))
    assert refusal("http://slow.example/", seconds=0.3) == "no answer within 0.3 s (webhook_seconds)"
    answers.set()


def test_a_name_that_nobody_knows_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refusal("http://nowhere.example/") == "Name or service not known"
