"""The sweeper: gives silent workers' jobs back, sends lost messages again, restarts a worker gone deaf.

A process of its own, never a thread of the worker's main process: a child forked while its parent stands
inside a SQLite write sees a locked database for ever.
"""

import os
import random
import select
import signal
import sys
import time
from functools import partial
from importlib.metadata import version

from service.broker import ENOUGH_MESSAGES, Broker
from service.presence import Presence
from service.processes import is_gone, worker_prefix
from service.settings import Settings
from service.storage import Storage, open_storage
from service.tables import datasets, sweeps
from service.tables.base import Database
from service.telemetry import get_logger
from service.worker.courier import Courier

ENDING = (signal.SIGTERM, signal.SIGINT)

RARE_SECONDS = 30.0  # between two looks for what goes wrong seldom
PATIENCE_SECONDS = 5.0  # for the database, within one sweep

_log = get_logger(__name__)


class Sweeper:
    """Any number of them may run: every move is a compare-and-set."""

    def __init__(
        self, settings: Settings, database: Database, broker: Broker, storage: Storage | None = None
    ) -> None:
        self._settings, self._database, self._broker = settings, database, broker
        self._storage = storage or open_storage(settings)
        self._rare_at = self._tidy_at = 0.0

    def sweep(self) -> None:
        """One look at everything."""
        tries = self._settings.max_tries
        for worker in self._dead_workers():
            self._take_back(partial(sweeps.end_lease_of, worker=worker, max_tries=tries))
        self._take_back(partial(sweeps.end_leases, max_tries=tries))
        self._send_again()
        self._give_up()
        self._tidy()

    def _tidy(self) -> None:
        """Removes the bytes that nothing uses."""
        if time.monotonic() < self._tidy_at:
            return
        age = self._settings.orphan_seconds
        self._tidy_at = time.monotonic() + age / 24
        user = self._settings.database_key
        gone = self._storage.remove_orphans(self._is_used, user=user, older_than_seconds=age)
        if gone:
            _log.warning("removed bytes that no dataset uses", files=gone)

    def _is_used(self, digest: str) -> bool:
        with self._database.reading() as db:
            return datasets.in_use(db, digest)

    def _give_up(self) -> None:
        """Fails what no worker can go on with."""
        patience = self._settings.numerics_seconds
        if time.monotonic() < self._rare_at:
            return
        self._rare_at = time.monotonic() + min(RARE_SECONDS, patience / 4)
        fail = partial(sweeps.fail_declined, patience_seconds=patience)
        if failed := self._database.persist(fail, budget_seconds=PATIENCE_SECONDS):
            _log.warning("failed jobs whose numerics no worker has", jobs=failed)

    def _dead_workers(self) -> list[str]:
        with self._database.reading() as db:
            return [worker for worker in sweeps.holders(db) if is_gone(worker)]

    def _take_back(self, work: "partial[sweeps.Swept]") -> None:
        swept = self._database.persist(work, budget_seconds=PATIENCE_SECONDS)
        if swept.any:
            _log.warning(
                "took jobs of lost workers back",
                requeued=swept.requeued,
                failed=swept.failed,
                canceled=swept.canceled,
            )

    def _send_again(self) -> None:
        """Sends what lacks a message: the queued rows less the messages that are ready, and none twice.

        Never more than enough to wake everybody: a process that woke goes on until no row waits.
        """
        grace = self._settings.grace_seconds
        with self._database.reading() as db:
            waiting, silent = sweeps.lost_messages(db, grace_seconds=grace, limit=ENOUGH_MESSAGES)
        depth = self._broker.depth() if silent else None
        if depth is None:
            return
        lost = silent[: max(0, min(waiting, ENOUGH_MESSAGES) - depth)]
        if not lost:
            return
        mark = partial(sweeps.mark_published, ids=lost, grace_seconds=grace)
        mine = self._database.persist(mark, budget_seconds=PATIENCE_SECONDS)
        for job_id in mine:
            if not self._broker.send(job_id):
                return  # the marks grow old, and the next sweep tries again
        _log.info("sent lost messages again", jobs=len(mine))


class Watchdog:
    """Restarts a worker that lives but takes nothing, though messages wait and a child is idle."""

    def __init__(self, settings: Settings, database: Database, broker: Broker, worker: int) -> None:
        self._settings, self._database, self._broker, self._worker = settings, database, broker, worker
        self._cursor, self._heard_at, self._signals = 0, time.monotonic(), 0

    def look(self) -> None:
        """Signals the worker once it has been deaf for too long: first politely, then for certain."""
        if not self._seems_deaf():
            self._heard_at, self._signals = time.monotonic(), 0
        elif time.monotonic() - self._heard_at > self._settings.deaf_seconds:
            _log.critical("the worker hears no messages: restarting it", worker=self._worker)
            os.kill(self._worker, signal.SIGKILL if self._signals else signal.SIGTERM)
            self._heard_at, self._signals = time.monotonic(), self._signals + 1

    def _seems_deaf(self) -> bool:
        prefix = worker_prefix(self._worker)
        with self._database.reading() as db:
            self._cursor, claimed = sweeps.claims_since(db, self._cursor)
            busy = sum(holder.startswith(prefix) for holder in sweeps.holders(db))
        return not claimed and busy < self._settings.concurrency and bool(self._broker.depth())


def end_once(*_: object) -> None:
    """Ends the process at the first signal: a transaction cut short has not happened.

    The worker sends another when it has waited; by then Python may be leaving, and must not be cut short.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def run(settings: Settings, beside: int | None = None) -> None:
    """Sweeps until told to end; `beside` is the worker process to watch, to announce, and to die with.

    A worker writes a line to stdin when it has lost a child: then the next sweep comes at once.
    """
    database = Database(settings.database, synchronous=settings.sqlite_synchronous, pool_size=2)
    broker, presence = Broker(settings), Presence(settings)
    facts = {"version": version("gradhouse"), "concurrency": settings.concurrency}
    sweeper = Sweeper(settings, database, broker)
    watchdog = Watchdog(settings, database, broker, beside) if beside else None
    Courier(database, settings).start()
    for number in ENDING:
        signal.signal(number, end_once)
    try:
        while True:
            if beside:
                presence.announce(worker_prefix(beside), 3 * settings.sweep_seconds + 2, facts)
            _sweep_once(sweeper, watchdog)
            pause = settings.sweep_seconds * random.uniform(0.75, 1.25)  # noqa: S311 - a spread, no secret
            if not _wait(pause, listening=beside is not None):
                return
    finally:
        if beside:
            presence.retire(worker_prefix(beside))


def _sweep_once(sweeper: Sweeper, watchdog: Watchdog | None) -> None:
    try:
        sweeper.sweep()
        if watchdog:
            watchdog.look()
    except Exception as error:  # noqa: BLE001 - the worker's edge: a sweep that fails is done again by the next
        _log.warning(
            "a sweep failed, the next one tries again", error=f"{type(error).__name__}: {error}"[:300]
        )


def _wait(seconds: float, *, listening: bool) -> bool:
    """Waits for the next sweep, or for a worried line on stdin; False when the other end of stdin is gone."""
    ready, _, _ = select.select([sys.stdin] if listening else [], [], [], seconds)
    return not ready or bool(os.read(sys.stdin.fileno(), 4096))
