"""Bounds how many requests of a process may read their bodies at once. Knows no resource.

A body that stalls holds its thread until the client hangs up: the server ends slow heads, not slow bodies. So
there are threads for so many readers beside those that answer, and one owner has half of the readers at most.
The first few keep the place in which they are answered: most bodies are there at once, and a place given back
would have to be waited for anew. The others read without one: stalled bodies hold half of the places at most.
"""

import threading
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, request

from service.errors import ServiceError


class Readers:
    """Counts those who wait for bytes: `most` at once, half of one owner; `keeping` keep their place."""

    def __init__(self, most: int, keeping: int) -> None:
        self._most, self._most_of_owner, self._keeping = most, max(1, most // 2), keeping
        self._readers = 0
        self._of_owner: dict[str, int] = {}
        self._lock = threading.Lock()

    def enter(self, owner: str) -> bool:
        """Counts one more; whether it keeps its place. Raises ServiceError where there are too many."""
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
        self, source: Any, readers: Readers, owner: Callable[[], str], places: BoundedSemaphore
    ) -> None:
        self._source, self._readers, self._owner, self._places = source, readers, owner, places

    def read(self, size: int = -1) -> bytes:
        """What the server's own stream gives. Raises ServiceError where too many wait."""
        owner = self._owner()
        keeps_place = self._readers.enter(owner)
        if not keeps_place:
            self._places.release()
        try:
            data: bytes = self._source.read() if size < 0 else self._source.read(size)  # Granian knows no -1
        finally:
            self._readers.leave(owner)  # first: who waits for a place no longer waits for bytes
            if not keeps_place:
                self._places.acquire()
        return data


def install(
    app: Flask, owner: Callable[[], str], places: BoundedSemaphore, *, max_readers: int, threads: int
) -> None:
    """Bounds the readers of `app`; `owner` tells whose a request is, `places` has room for `threads`."""
    readers = Readers(max_readers, threads // 2)

    def before() -> None:
        environ = request.environ
        length = environ.get("CONTENT_LENGTH")
        if length == "0" or (not length and "HTTP_TRANSFER_ENCODING" not in environ):
            return  # nothing to wait for
        environ["wsgi.input"] = Body(environ["wsgi.input"], readers, owner, places)

    app.before_request(before)
