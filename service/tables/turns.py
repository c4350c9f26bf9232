"""Lets threads in one at a time, in the order in which they came. Knows no database."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class TooLong(Exception):
    """The turn did not come in time."""


class Turns:
    """SQLite has one writer and no queue: who finds it locked sleeps, and whoever wakes first comes next.

    Under load some then wait for seconds while others pass them by. Threads that take turns before they ask
    wait as long as those before them need, and no longer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """Waits for the turn, and passes it on at the end of the block. Raises TooLong."""
        self._take(seconds)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, seconds: float) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(seconds):
            return
        with self._lock:
            if not called.is_set():
                self._waiting.remove(called)
                raise TooLong(f"the turn did not come within {seconds:g} s")
        # It came in the very moment in which the patience ended: it is ours.

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
