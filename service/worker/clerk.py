"""Runs errands to the database while a process trains: one after the other, in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

_Found = TypeVar("_Found")


class Clerk:
    """Its thread is started by the first errand, for most jobs end before they have one; it never ends.

    Not an executor of the standard library's: a process would wait for those at its end, however long a
    database is away.
    """

    def __init__(self) -> None:
        self._errands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, errand: Callable[[], _Found]) -> Future[_Found]:
        """What `errand` will give, or raise; its lines in the log tell what the sender's would."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="clerk", daemon=True)
            self._thread.start()
        future: Future[_Found] = Future()
        self._errands.put(partial(_run, errand, future, copy_context()))
        return future

    def _serve(self) -> None:
        while True:
            self._errands.get()()


def _run(errand: Callable[[], Any], future: Future[Any], context: Context) -> None:
    try:
        found = context.run(errand)
    except BaseException as error:  # noqa: BLE001 - it is raised where the errand's end is heard of
        future.set_exception(error)
    else:
        future.set_result(found)
