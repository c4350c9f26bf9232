"""Bounds how many bodies a process reads at once. Knows no resource.

A body that stalls holds its thread until the client hangs up: the server ends slow heads, not slow bodies. So
there are threads for so many readers beside those that answer, and one owner has half of the readers at most.
The first few keep their turn: most bodies are there already, and a turn given back must be waited for anew.
The others read without one: stalled bodies hold half of what may be answered at once at most.

What an endpoint leaves unread, as a refusal does, is read here if it is small, else the connection ends with
the answer. The server would end it anyway where the body has not come yet, and silently: the client's next
request on it would stay without an answer.
"""

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from service.errors import ServiceError
from service.web.turns import Turns

# As much as a client sends in one go; what is longer is its to send again, on another connection.
DRAINED_BYTES = 2**16
REFUSED = (
    ""  # the owner of bodies that are read only to be thrown away: whoever sends them, half of the readers
)
_BODY = "gradhouse.body"  # in the environ: others put what unpacks it in its place


class Readers:
    """Counts those who wait for bytes: `most` at once, half of one owner; `keeping` keep their turn."""

    def __init__(self, most: int, keeping: int) -> None:
        self._most, self._most_of_owner, self._keeping = most, max(1, most // 2), keeping
        self._readers = 0
        self._of_owner: dict[str, int] = {}
        self._lock = threading.Lock()

    def enter(self, owner: str) -> bool:
        """Counts one more; whether it keeps its turn. Raises ServiceError where there are too many."""
        with self._lock:
            of_owner = self._of_owner.get(owner, 0)
            if of_owner < self._most_of_owner and self._readers < self._most:
                self._of_owner[owner] = of_owner + 1
                self._readers += 1
                return self._readers <= self._keeping
        detail = (
            f"too many requests are still sending their bodies: max_readers allows {self._most} at once in a "
            f"process, and {self._most_of_owner} of one owner"
        )
        raise ServiceError("too_many_bodies", detail, headers={"Retry-After": "1"})

    def leave(self, owner: str) -> None:
        """Counts one less."""
        with self._lock:
            self._readers -= 1
            self._of_owner[owner] -= 1
            if not self._of_owner[owner]:
                del self._of_owner[owner]


class Body:
    """The body as the server gives it; each piece that is asked for has a reader until it is there."""

    def __init__(
        self,
        source: Any,
        length: int | None,
        readers: Readers,
        owner: Callable[[], str],
        turns: Turns,
    ) -> None:
        self._source, self._readers, self._owner, self._turns = source, readers, owner, turns
        self._left = length  # None where only its end tells how long it is

    def read(self, size: int = -1) -> bytes:
        """What the server's own stream gives. Raises ServiceError where too many wait."""
        return self._read(self._owner(), size)

    def drain(self) -> bool:
        """Reads what is left of a small body; says whether the connection can go on behind it."""
        if self._left == 0:
            return True
        if self._left is None or self._left > DRAINED_BYTES:
            return False
        try:
            self._read(REFUSED, self._left)  # no more: not every server ends a body where it ends
        except ServiceError:  # too many stall
            return False
        return self._left == 0

    def _read(self, owner: str, size: int) -> bytes:
        keeps_turn = self._readers.enter(owner)
        if not keeps_turn:
            self._turns.leave()
        try:
            data: bytes = self._source.read() if size < 0 else self._source.read(size)  # Granian knows no -1
        finally:
            self._readers.leave(owner)  # first: who waits for a turn no longer waits for bytes
            if not keeps_turn:
                self._turns.enter(request.endpoint)
        if size < 0 or (size and not data):  # the end
            self._left = 0
        elif self._left is not None:
            self._left -= len(data)
        return data


def install(app: Flask, owner: Callable[[], str], turns: Turns, *, max_readers: int, threads: int) -> None:
    """Bounds the readers of `app`; `owner` tells whose a request is, `turns` has room for `threads`."""
    readers = Readers(max_readers, threads // 2)

    def before() -> None:
        environ = request.environ
        length = environ.get("CONTENT_LENGTH", "")
        if length == "0" or (not length and "HTTP_TRANSFER_ENCODING" not in environ):
            return  # nothing to wait for
        known = int(length) if length.isdecimal() else None
        environ["wsgi.input"] = environ[_BODY] = Body(environ["wsgi.input"], known, readers, owner, turns)

    def after(response: Response) -> Response:
        body: Body | None = request.environ.get(_BODY)
        if body is not None and not body.drain():
            response.headers["Connection"] = "close"
        return response

    app.before_request(before)
    app.after_request(after)
