"""Keeps the idempotency keys of requests that are at work; those of dead ones run out."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.tables import idempotency
from service.tables.base import Database
from service.tables.idempotency import Reservation
from service.telemetry import get_logger

_log = get_logger(__name__)


class Reservations:
    """Those of one process; a thread, which the first one starts, renews what takes long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._began: dict[Reservation, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, reserved: Reservation) -> Iterator[None]:
        """While inside, the reservation does not run out."""
        with self._lock:
            self._began[reserved] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reservations", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._began[reserved]

    def _run(self) -> None:
        while True:
            pause = idempotency.RESERVED_SECONDS / 3
            time.sleep(pause)
            with self._lock:
                slow = [each for each, began in self._began.items() if time.monotonic() - began > pause]
            try:
                if slow:
                    with self._database.session() as db:
                        idempotency.renew(db, slow)
            except Exception as error:  # noqa: BLE001 - the thread's edge: the next round may come in time
                _log.warning("reservations of keys cannot be renewed", error=str(error)[:200])
