"""The log of every job: its moves, its progress, its warnings; only ever appended to.

An event's id is the log's cursor. Whoever appends has updated the job's row in the same transaction first, so
the events of one job commit in the order of their ids, and a reader that goes on from a cursor misses none.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, after_commit, table_of
from service.tables.functions import database_now, json_rows
from service.tables.plain import execute
from service.telemetry import get_logger

_log = get_logger(__name__)


class EventType(StrEnum):
    """What an event tells."""

    TRANSITION = "transition"  # the status changed
    PROGRESS = "progress"  # epochs were trained and saved
    WARNING = "warning"  # something that the user should know and that stopped nothing


class Move(NamedTuple):
    """A change of a job's status."""

    status: str | None
    at: datetime
    reason: str | None


class Event(Base):
    """One line of one job's log."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_job_id_id", "job_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(insert_default=database_now())
    claim: Mapped[int]
    status: Mapped[str | None] = mapped_column(String(10))  # of a transition
    reason: Mapped[str | None] = mapped_column(String(40))
    epoch: Mapped[int | None]  # of progress
    data: Mapped[dict[str, Any] | None]

    def facts(self) -> dict[str, Any]:
        """What the event tells beside its type and time."""
        if self.type == EventType.TRANSITION:
            return {"status": self.status, "reason": self.reason}
        return self.data or {}


# Every poll reads the moves, which are few: without an index of their own, among all that an hour has logged.
# The type is a literal, for neither database uses a partial index for a bound parameter.
_IS_MOVE = Event.type == literal_column("'transition'")
_move_rows = text("type = 'transition'")
Index("ix_events_moves", Event.job_id, Event.id, sqlite_where=_move_rows, postgresql_where=_move_rows)


def log_moves(db: Session, moved: Sequence[Any], reason: str, **more: Any) -> None:
    """Appends the moves of jobs, or their rows; once committed, the process's own log tells of each."""
    facts = {"type": EventType.TRANSITION.value, "reason": reason, **more}
    _append(db, [{"job_id": job.id, "status": job.status, "claim": job.claim, **facts} for job in moved])
    if moved and logging.getLogger(__name__).isEnabledFor(logging.INFO):
        after_commit(db, partial(_tell, [_line(job, reason) for job in moved]))


def _line(job: Any, reason: str) -> dict[str, Any]:
    code = {} if job.error is None else {"code": job.error.get("code")}
    facts = {"job_id": job.id, "status": job.status, "reason": reason, **code}
    return {**facts, "claim": job.claim, "owner": job.owner, "request_id": job.request_id}


def _tell(lines: Sequence[dict[str, Any]]) -> None:
    for line in lines:
        _log.info("job", **line)


def log_progress(db: Session, job_id: str, claim: int, epoch: int, data: Mapping[str, Any]) -> None:
    """Appends that this claim has come to an epoch; twice is once."""
    newest = execute(db, _NEWEST_PROGRESS, {"job_id": job_id, "claim": claim}).scalar()
    if newest is not None and newest >= epoch:
        return
    row = {"job_id": job_id, "type": EventType.PROGRESS.value, "claim": claim, "epoch": epoch, "data": data}
    _append(db, [row])


def log_warnings(db: Session, job_id: str, warnings: Sequence[str]) -> None:
    """Appends warnings to a job that no worker has had yet."""
    of_all = {"job_id": job_id, "type": EventType.WARNING.value, "claim": 0}
    _append(db, [{**of_all, "data": {"detail": warning}} for warning in warnings])


def _append(db: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        execute(db, _INSERT, rows)


def read(db: Session, job_id: str, *, after: int = 0, limit: int) -> list[Event]:
    """The events after a cursor, oldest first."""
    return list(db.scalars(_READ, {"job_id": job_id, "after": after, "limit": limit}))


def moves(db: Session, job_id: str) -> list[Move]:
    """The job's moves, oldest first."""
    return as_moves(execute(db, select(MOVES), {"job_id": job_id}).scalar())


def as_moves(found: Sequence[Any] | None) -> list[Move]:
    """What MOVES has found."""
    return [
        Move(status, datetime.fromtimestamp(microseconds / 1e6, UTC), reason)
        for status, microseconds, reason in found or ()
    ]


# Built once: they are run for every job and for every look at one.
_INSERT = insert(table_of(Event))
_of_job = Event.job_id == bindparam("job_id")
_READ = (
    select(Event)
    .where(_of_job, Event.id > bindparam("after"))
    .order_by(Event.id)
    .limit(bindparam("limit", type_=Integer))
)
_NEWEST_PROGRESS = (
    select(Event.epoch)
    .where(_of_job, Event.claim == bindparam("claim"), Event.type == EventType.PROGRESS.value)
    .order_by(Event.id.desc())
    .limit(1)
)
# As one value, to be part of other statements. JSON has whole numbers exactly, SQLite's JSON no other ones.
_microseconds = cast(func.round(type_coerce(Event.at, Double) * 1e6), BigInteger)
_moves = (
    select(Event.status, _microseconds.label("microseconds"), Event.reason)
    .where(_of_job, _IS_MOVE)
    .order_by(Event.id)
    .subquery()
)
MOVES = select(json_rows(*_moves.c)).scalar_subquery()
