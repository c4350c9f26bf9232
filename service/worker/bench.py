"""What one training process works with: its connections, its heartbeat, the datasets it has at hand."""

import logging
import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from engine.data.table import Table
from service.broker import Broker
from service.decoding.decoder import Decoder
from service.processes import worker_name
from service.settings import Settings
from service.storage import Storage, open_storage
from service.tables import batches
from service.tables.base import Database
from service.tables.claims import Claimed
from service.worker.clerk import Clerk

TABLES_KEPT = 4
_PLACES = 1 << 16  # process ids wrap round late: no two children of one worker share a place

_log = logging.getLogger(__name__)


class SharedFlag:
    """A flag that a process and the children it forks later see alike."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Raises the flag, here and in every child."""
        self._memory[0] = 1

    def is_set(self) -> bool:
        """Says whether anyone has raised it."""
        return bool(self._memory[0])


class BusyBoard:
    """Who is at work, seen alike by a process and the children it forks later."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PLACES)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """This process counts as busy during the block."""
        place = os.getpid() % _PLACES
        self._memory[place] = 1
        try:
            yield
        finally:
            self._memory[place] = 0

    def anyone(self) -> bool:
        """Says whether any process is at work."""
        return self._memory[:].count(1) > 0


class Heart(threading.Thread):
    """Keeps the leases of the jobs at hand while one chunk of training takes longer than a third of it.

    Nobody wakes it, since most jobs end before it has anything to do, and to change threads for each of them
    would cost more than they train: it looks for itself, often enough to find every lease in time.
    """

    def __init__(self, database: Database, lease_seconds: float) -> None:
        super().__init__(name="heart", daemon=True)
        self._database, self._lease_seconds = database, lease_seconds
        self._claims: tuple[Claimed, ...] = ()
        self._due = 0.0

    def begin(self, *claimed: Claimed) -> None:
        """Leases have been taken just now; those of before are not this thread's any more."""
        self.renewed()  # before they are seen: else they seem to be due
        self._claims = claimed

    def renewed(self) -> None:
        """A progress transaction has prolonged the lease just now."""
        self._due = time.monotonic() + self._lease_seconds / 3

    @property
    def busy(self) -> bool:
        """Whether this process has a job at hand."""
        return bool(self._claims)

    def end(self) -> None:
        """No job is ours any more."""
        self._claims = ()

    def run(self) -> None:
        """Beats for ever; the thread ends with its process."""
        while True:
            held, rest = self._claims, self._due - time.monotonic()
            if held and rest <= 0:
                self._beat(held)
            else:
                time.sleep(rest if held else self._lease_seconds / 6)

    def _beat(self, held: tuple[Claimed, ...]) -> None:
        # A lease that was lost is passed over: the training sees it for itself at its next look.
        work = partial(batches.heartbeat, batch=held, lease_seconds=self._lease_seconds)
        try:
            self._database.persist(work, budget_seconds=self._lease_seconds / 3)
        except Exception as error:  # noqa: BLE001 - a heart that stops at one failed beat costs the process every long job
            _log.warning("a heartbeat failed: %s", str(getattr(error, "orig", error))[:300])
        self.renewed()


class Tables:
    """The last decoded datasets of this process: the slices of a job share one."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: OrderedDict[str, Table] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """The bytes of the datasets that are kept, as they lie in the storage."""
        return sum(list(self._sizes.values()))

    def get(self, digest: str) -> Table:
        """The table of these bytes. Raises MissingBytes and DamagedBytes."""
        if digest not in self._kept:
            data = self._storage.read(digest)
            self._kept[digest], self._sizes[digest] = Table.from_parquet(data), len(data)
        self._kept.move_to_end(digest)
        while len(self._kept) > TABLES_KEPT:
            oldest, _ = self._kept.popitem(last=False)
            self._sizes.pop(oldest)
        return self._kept[digest]


@dataclass(slots=True)
class Tally:
    """What this process has trained since it started."""

    steps: int = 0  # updates of parameters
    seconds: float = 0.0


@dataclass(slots=True)
class Bench:
    """One training process."""

    settings: Settings
    database: Database
    broker: Broker
    storage: Storage
    decoder: Decoder
    tables: Tables
    heart: Heart
    stopping: SharedFlag
    name: str = field(default_factory=worker_name)
    # Numerics that jobs were begun with and that this process does not have: it leaves those jobs to others.
    declined: set[str] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    clerk: Clerk = field(default_factory=Clerk)

    @classmethod
    def open(cls, settings: Settings, stopping: SharedFlag) -> Self:
        """Opens every connection anew: call it in the process that trains, never before a fork."""
        database = Database(settings.database, synchronous=settings.sqlite_synchronous, pool_size=2)
        heart = Heart(database, settings.lease_seconds)
        heart.start()
        storage = open_storage(settings)
        broker, decoder = Broker(settings), Decoder(settings)
        return cls(settings, database, broker, storage, decoder, Tables(storage), heart, stopping)

    def close(self) -> None:
        """Gives every connection back; the heart beats no more."""
        self.heart.end()
        self.broker.close()
        self.decoder.close()
        self.database.close()
