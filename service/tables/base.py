"""What every table stands on: the database, transactions, ids, times, pages. Knows no table."""

import logging
import os
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import JSON, Connection, MetaData, Select, Table, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session

from service.tables.connections import connect, for_reading
from service.tables.functions import Instant
from service.tables.plain import Source, Whole, execute
from service.tables.turns import TooLong, Turns

LOCAL_OWNER = "local"  # whose everything is until keys name owners

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_AFTER_COMMIT = "after_commit"
DatabaseError = DBAPIError  # what a database that is away, or in trouble, raises
Transaction = Session  # what session() and reading() give: the rooms above know no SQLAlchemy


class Conflict(Exception):
    """The state of a row forbids what was asked."""

    def __init__(self, code: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.hint = code, detail, hint


class Base(DeclarativeBase):
    """The tables' root; constraints get names, which SQLite's migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # A JSON null would be a third kind of nothing beside SQL's NULL and an absent row.
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        datetime: Instant(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


def table_of(row: type[Base]) -> Table:
    """The table behind a class of rows, for statements that are to cost no object a row."""
    return cast("Table", row.__table__)


class Database:
    """One database and its connections. `session()` is one transaction; `reading()` can't change anything."""

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "NORMAL",
        pool_size: int = 8,
        busy_seconds: float = 10,
        before_writing: Callable[[], None] | None = None,
    ) -> None:
        """`before_writing` is called by a thread that is about to wait for its turn to write."""
        self.url = url
        self._before_writing = before_writing
        self.engine = connect(url, synchronous=synchronous, pool_size=pool_size, busy_seconds=busy_seconds)
        self._busy_seconds = busy_seconds
        self._turns = Turns() if self.engine.dialect.name == "sqlite" else None
        self._reader = for_reading(self.engine)
        self._closed = False
        event.listen(self.engine, "checkin", lambda _, record: record.invalidate() if self._closed else None)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: commits at the end of the block, rolls back when the block raises."""
        if self._before_writing is not None:
            self._before_writing()
        with self._turn(), Session(self.engine, expire_on_commit=False) as db:
            with db.begin():
                yield db
            for tell in db.info.get(_AFTER_COMMIT, ()):
                tell()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Lets one thread of this process write at a time, where the database can't have two writers."""
        try:
            turn = self._turns.turn(self._busy_seconds) if self._turns else nullcontext()
            with turn:
                yield
        except TooLong as error:
            locked = sqlite3.OperationalError(f"database is locked: {error}")
            raise OperationalError("BEGIN IMMEDIATE", None, locked) from None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For queries only: what changes rows is refused. On SQLite all of them see one moment."""
        with Session(self._reader, expire_on_commit=False, autoflush=False) as db:
            yield db

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Like `reading`, for statements of columns alone: a session costs as much as half a small query."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """All that is committed at one moment, however long the reading takes."""
        options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self._reader.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def persist(self, work: Callable[[Session], _T], *, budget_seconds: float = 120.0) -> _T:
        """Runs `work` in a transaction until it commits; idempotent, for a commit may go through unheard."""

        def attempt() -> _T:
            with self.session() as db:
                return work(db)

        return patiently(attempt, budget_seconds=budget_seconds)

    def close(self) -> None:
        """Closes all connections: what another thread still uses as soon as it is done."""
        self._closed = True
        self.engine.dispose()


def patiently(attempt: Callable[[], _T], *, budget_seconds: float) -> _T:
    """What `attempt` gives, which is made again while the database is away, and for so long at most."""
    started, pause = time.monotonic(), 0.05
    while True:
        try:
            return attempt()
        except (DBAPIError, PoolTimeout) as error:
            if not is_transient(error) or time.monotonic() - started > budget_seconds:
                raise
            _log.warning("database away, trying again: %s", str(getattr(error, "orig", error)).strip()[:200])
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - a spread, no secret
        pause = min(pause * 2, 2.0)


def after_commit(db: Session, tell: Callable[[], None]) -> None:
    """Calls `tell` once the transaction has committed, and never when it has not."""
    db.info.setdefault(_AFTER_COMMIT, []).append(tell)


def is_transient(error: BaseException) -> bool:
    """Says whether the same transaction may work a little later: server away, locked, busy, disk full."""
    if isinstance(error, PoolTimeout):
        return True  # as many connections as the pool has are at work
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return state[:2] in {"08", "40", "53", "57"} or state in _PASSING


_PASSING = {"55P03", "25P03"}  # a lock that was not free in time; a transaction that stood still for too long


def unsynced(db: Session) -> None:
    """Lets this transaction's commit come back before the disk has it: for what would be done again.

    Whatever is committed after it, and waits for the disk, takes it along.
    """
    if db.get_bind().dialect.name == "postgresql":
        db.execute(_UNSYNCED)


_UNSYNCED = text("SET LOCAL synchronous_commit = off")


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """A part of a list, newest first; `next` goes into the next request's `after`."""

    items: list[_T]
    next: str | None


def read_page(db: Source, whole: Whole[_T], query: Select[Any], *, limit: int, after: str | None) -> Page[_T]:
    """The page of `query`, of whole rows, that comes behind the id `after`: newest first, to be read."""
    key = whole.key
    if after is not None:
        query = query.where(key < after)
    rows = execute(db, query.order_by(key.desc()).limit(limit + 1)).all()
    items = [whole.made_of(row) for row in rows[:limit]]
    return Page(items, str(getattr(items[-1], key.name)) if len(rows) > limit else None)


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_RANDOM_BITS = 80


class _IdClock:
    """The last id of this process: ids of one millisecond go on counting, so that they always rise."""

    def __init__(self) -> None:
        self._lock, self._last = threading.Lock(), 0
        # A forked child must not go on with its parent's random part.
        os.register_at_fork(after_in_child=self._forget)

    def next(self) -> int:
        with self._lock:
            fresh = time.time_ns() // 1_000_000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
            same_moment = fresh >> _RANDOM_BITS <= self._last >> _RANDOM_BITS
            self._last = self._last + 1 + secrets.randbits(32) if same_moment else fresh
            return self._last

    def _forget(self) -> None:
        self._lock, self._last = threading.Lock(), 0


_ids = _IdClock()


def new_id(prefix: str) -> str:
    """A new id such as `job_01j…`: a ULID, so ids sort by time.

    >>> new_id("job") < new_id("job")
    True
    """
    number = _ids.next()
    digits = [_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"
