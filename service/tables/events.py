"""The log of every job: its moves, its progress, its warnings; only ever appended to.

An event's id is the log's cursor. Whoever appends has updated the job's row in the same transaction first, so
the events of one job commit in the order of their ids, and a reader that goes on from a cursor misses none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, database_now


class EventType(StrEnum):
    """What an event tells."""

    TRANSITION = "transition"  # the status changed
    PROGRESS = "progress"  # epochs were trained and saved
    WARNING = "warning"  # something that the user should know and that stopped nothing


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


def log_moves(db: Session, moves: Sequence[Mapping[str, Any]], reason: str) -> None:
    """Appends moves, each with its job_id, status and claim."""
    if moves:
        db.execute(
            insert(Event), [{**move, "type": EventType.TRANSITION, "reason": reason} for move in moves]
        )


def log_progress(db: Session, job_id: str, claim: int, epoch: int, data: Mapping[str, Any]) -> None:
    """Appends that this claim has come to an epoch; twice is once."""
    known = (Event.job_id == job_id, Event.claim == claim, Event.type == EventType.PROGRESS.value)
    newest = db.scalar(select(Event.epoch).where(*known).order_by(Event.id.desc()).limit(1))
    if newest is not None and newest >= epoch:
        return
    row = {"job_id": job_id, "type": EventType.PROGRESS, "claim": claim, "epoch": epoch, "data": data}
    db.execute(insert(Event), [row])


def log_warnings(db: Session, job_id: str, warnings: Sequence[str]) -> None:
    """Appends warnings to a job that no worker has had yet."""
    if warnings:
        rows = ({"data": {"detail": warning}} for warning in warnings)
        of_all = {"job_id": job_id, "type": EventType.WARNING, "claim": 0}
        db.execute(insert(Event), [{**of_all, **row} for row in rows])


def read(db: Session, job_id: str, *, after: int = 0, limit: int) -> list[Event]:
    """The events after a cursor, oldest first."""
    query = select(Event).where(Event.job_id == job_id, Event.id > after)
    return list(db.scalars(query.order_by(Event.id).limit(limit)))


def moves(db: Session, job_id: str) -> list[Event]:
    """The job's moves, oldest first."""
    query = select(Event).where(Event.job_id == job_id, Event.type == EventType.TRANSITION.value)
    return list(db.scalars(query.order_by(Event.id)))
