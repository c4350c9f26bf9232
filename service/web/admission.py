"""Bounds how many requests a process answers, and how many bodies it reads, at once. Knows no resource.

Threads that want the interpreter are served in no order, and some starve among eight; so requests queue for
turns before they run. One that takes long goes on beside the others: nobody waits for the end of a slow one.

A body that stalls holds its thread until the client hangs up: the server ends slow heads, not slow bodies. So
there are threads for so many readers beside those that answer, and one owner has half of the readers at most.
The first few keep their turn: most bodies are there already, and a turn given back must be waited for anew.
The others read without one: stalled bodies hold half of what may be answered at once at most.

What an endpoint leaves unread, as a refusal does, is read here if it is small, else the connection ends with
the answer. The server would end it anyway where the body has not come yet, and silently: the client's next
request on it would stay without an answer.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from service.errors import ServiceError

TURN_SECONDS = 0.005  # a prediction takes 0.2 ms
# As much as a client sends in one go; what is longer is its to send again, on another connection.
DRAINED_BYTES = 2**16
REFUSED = (
    ""  # the owner of bodies that are read only to be thrown away: whoever sends them, half of the readers
)
_BODY = "gradhouse.body"  # in the environ: others put what unpacks it in its place


class Turns:
    """One request at a time, first come, first served; beside it those that took longer: `most` in all."""

    def __init__(self, most: int) -> None:
        self._most, self._running = most, 0
        self._holder: int | None = None  # the thread whose turn it is
        self._since = 0.0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Waits for this thread's turn, or until whose turn it is takes too long."""
        thread = threading.get_ident()
        with self._lock:
            if self._holder is None and self._running < self._most:
                self._take(thread)
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((thread, gate))
        while not gate.acquire(timeout=TURN_SECONDS):
            with self._lock:
                if self._waiting and self._waiting[0][1] is gate and self._may_overtake():
                    self._waiting.popleft()
                    self._take(thread)
                    return

    def leave(self) -> None:
        """Gives the turn to who has waited longest, unless it was taken already."""
        with self._lock:
            self._running -= 1
            if self._holder == threading.get_ident():
                self._pass_on()

    def hand_over(self) -> None:
        """Gives the turn away before a wait for something else; this thread goes on beside the others."""
        with self._lock:
            if self._holder == threading.get_ident() and self._running < self._most:
                self._pass_on()

    def _pass_on(self) -> None:
        self._holder = None
        if self._waiting:
            thread, gate = self._waiting.popleft()
            self._take(thread)
            gate.release()

    def _take(self, thread: int) -> None:
        self._running += 1
        self._holder, self._since = thread, time.monotonic()

    def _may_overtake(self) -> bool:
        late = self._holder is None or time.monotonic() - self._since > TURN_SECONDS
        return late and self._running < self._most


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
                self._turns.enter()
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
