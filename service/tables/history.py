"""The histories and checkpoints of jobs: packed blocks of epochs, which the engine unpacks."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import ForeignKey, LargeBinary, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base
from service.tables.functions import database_now

CHECKPOINTS_KEPT = 2  # the newest, and one to fall back on should its bytes be damaged


class HistoryBlock(Base):
    """The history rows from `first_epoch` to `last_epoch`."""

    __tablename__ = "history_blocks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    first_epoch: Mapped[int] = mapped_column(primary_key=True)
    last_epoch: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Checkpoint(Base):
    """The exact state of a training after `epoch`."""

    __tablename__ = "checkpoints"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    claim: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())


@dataclass(frozen=True, slots=True)
class Block:
    """Packed history rows; `data` is the engine's HistoryBlock.to_bytes()."""

    first_epoch: int
    last_epoch: int
    data: bytes


def append(db: Session, job_id: str, blocks: list[Block]) -> None:
    """Adds blocks that follow one another; what stood from their first epoch on gives way."""
    if not blocks:
        return
    truncate(db, job_id, blocks[0].first_epoch - 1)
    db.add_all(
        HistoryBlock(job_id=job_id, first_epoch=each.first_epoch, last_epoch=each.last_epoch, data=each.data)
        for each in blocks
    )
    db.flush()


def truncate(db: Session, job_id: str, last_epoch: int) -> None:
    """Forgets the blocks that begin after `last_epoch`."""
    db.execute(
        delete(HistoryBlock).where(HistoryBlock.job_id == job_id, HistoryBlock.first_epoch > last_epoch)
    )


def read(db: Session, job_id: str, *, after: int = 0, limit: int | None = None) -> list[Block]:
    """The blocks that hold the `limit` epochs after the epoch `after` (None: all of them), ascending.

    The outer blocks may hold more rows than were asked for: the caller cuts.
    """
    query = select(HistoryBlock).where(HistoryBlock.job_id == job_id, HistoryBlock.last_epoch > after)
    if limit is not None:
        query = query.where(HistoryBlock.first_epoch <= after + limit)
    rows = db.scalars(query.order_by(HistoryBlock.first_epoch))
    return [Block(row.first_epoch, row.last_epoch, row.data) for row in rows]


def last_epoch(db: Session, job_id: str) -> int:
    """The newest epoch with a history row; 0 before the first."""
    return db.scalar(select(func.max(HistoryBlock.last_epoch)).where(HistoryBlock.job_id == job_id)) or 0


def save_checkpoint(db: Session, job_id: str, *, epoch: int, claim: int, data: bytes) -> None:
    """Keeps this checkpoint and the one before it."""
    older = select(Checkpoint.epoch).where(Checkpoint.job_id == job_id, Checkpoint.epoch < epoch)
    kept = older.order_by(Checkpoint.epoch.desc()).limit(CHECKPOINTS_KEPT - 1)
    db.execute(delete(Checkpoint).where(Checkpoint.job_id == job_id, Checkpoint.epoch.not_in(kept)))
    db.add(Checkpoint(job_id=job_id, epoch=epoch, claim=claim, sha256=sha256(data).hexdigest(), data=data))
    db.flush()


def sound_checkpoint(db: Session, job_id: str) -> tuple[int, bytes] | None:
    """Epoch and bytes of the newest checkpoint that is as it was written; None where there is none."""
    rows = db.scalars(select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(Checkpoint.epoch.desc()))
    sound = (row for row in rows if sha256(row.data).hexdigest() == row.sha256)
    return next(((row.epoch, row.data) for row in sound), None)
