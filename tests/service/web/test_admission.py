"""Who may read a body: with threads, and a client that stalls where a test needs one."""

import threading
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from typing import Any

import pytest
from flask import Flask, request

from service.errors import ServiceError
from service.web import admission
from service.web.application import Application
from service.web.turns import Turns

MOST = 4


class Stalled:
    """A body whose client sends one byte and then nothing until it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._pieces: SimpleQueue[bytes] = SimpleQueue()
        self._pieces.put(b"x")

    def read(self, _size: int = -1) -> bytes:
        if self._pieces.empty():
            self.asked.set()
        return self._pieces.get(timeout=20)

    def end(self) -> None:
        """The client hangs up."""
        self._pieces.put(b"")


def _whole() -> bytes:
    data: bytes = request.environ["wsgi.input"].read()
    return data


@pytest.fixture
def app() -> Application:
    """Answers two requests at a time, and reads the bodies of four."""
    made = Application(__name__)
    made.config["PROPAGATE_EXCEPTIONS"] = True
    made.turns = Turns(2)

    def owner() -> str:
        return request.headers.get("X-Owner", "local")

    admission.install(made, owner, made.turns, max_readers=MOST, threads=2)

    def size() -> str:
        return str(sum(len(piece) for piece in iter(partial(request.environ["wsgi.input"].read, 10), b"")))

    made.add_url_rule("/", "size", size, methods=["POST"])
    made.add_url_rule("/whole", "whole", _whole, methods=["POST"])
    made.add_url_rule("/unread", "unread", lambda: "unread", methods=["POST"])
    made.add_url_rule(
        "/broken", "broken", lambda: request.environ["wsgi.input"].read(1) / 0, methods=["POST"]
    )
    return made


def _send(app: Flask, owner: str = "local", *, size: int = 9, body: Any = None, address: str = "/") -> str:
    environ: dict[str, Any] = {"wsgi.input": body or BytesIO(b"x" * size), "CONTENT_LENGTH": str(size)}
    return app.test_client().post(address, environ_overrides=environ, headers={"X-Owner": owner}).text


def _stall(app: Flask, owner: str) -> tuple[Stalled, threading.Thread]:
    body = Stalled()
    thread = threading.Thread(target=_send, args=(app, owner), kwargs={"body": body})
    thread.start()
    assert body.asked.wait(20)
    return body, thread


def test_stalled_bodies_leave_room_for_others(app: Application) -> None:
    stalled = [_stall(app, "alice") for _ in range(MOST // 2)]
    with pytest.raises(ServiceError, match="max_readers allows 4 at once in a process, and 2 of") as refused:
        _send(app, "alice")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    assert _send(app, "bob") == "9"
    stalled += [_stall(app, "bob") for _ in range(MOST // 2)]
    with pytest.raises(ServiceError, match="max_readers"):
        _send(app, "carol")
    assert _send(app, "carol", size=0) == "0"
    for body, thread in stalled:
        body.end()
        thread.join()
    assert _send(app, "alice") == "9"


@pytest.mark.parametrize("address", ["/whole", "/unread", "/broken"])
def test_a_request_that_has_ended_reads_no_more(app: Application, address: str) -> None:
    for _ in range(2 * MOST):
        try:
            _send(app, address=address)
        except TypeError:
            assert address == "/broken"
    assert _send(app) == "9"


def _refused(app: Flask, body: Any, **environ: str) -> str | None:
    """What the answer says of the connection where the endpoint looks at no body."""
    overrides = {"wsgi.input": body, "CONTENT_LENGTH": "9", **environ}
    return app.test_client().post("/unread", environ_overrides=overrides).headers.get("Connection")


def test_a_small_body_that_nobody_wanted_is_read(app: Application) -> None:
    body = BytesIO(b"x" * 9 + b"GET")
    assert _refused(app, body) is None
    assert body.read() == b"GET"


def test_the_connection_ends_behind_a_large_body_that_nobody_wanted(app: Application) -> None:
    body = BytesIO(b"x" * 9)
    assert _refused(app, body, CONTENT_LENGTH=str(admission.DRAINED_BYTES + 1)) == "close"
    assert body.tell() == 0


def test_the_connection_ends_behind_chunks_that_nobody_wanted(app: Application) -> None:
    chunks = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    assert _refused(app, BytesIO(b"x"), **chunks) == "close"


def test_the_connection_goes_on_behind_chunks_that_were_read(app: Application) -> None:
    environ = {"wsgi.input": BytesIO(b"x" * 25), "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    response = app.test_client().post("/", environ_overrides=environ)
    assert (response.text, response.headers.get("Connection")) == ("25", None)


def test_unwanted_bodies_that_stall_are_bounded(app: Application) -> None:
    stalled = []
    for _ in range(MOST // 2):
        body = Stalled()
        body.read()  # its first byte
        thread = threading.Thread(target=_refused, args=(app, body))
        thread.start()
        assert body.asked.wait(20)
        stalled.append((body, thread))
    assert _refused(app, BytesIO(b"x" * 9)) == "close"
    assert _send(app, "bob") == "9"
    for body, thread in stalled:
        body.end()
        thread.join()
