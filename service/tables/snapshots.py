"""What is kept of a training's way for its replay: packed blocks, which the engine unpacks."""

from dataclasses import dataclass

from sqlalchemy import ForeignKey, LargeBinary, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base


class SnapshotRow(Base):
    """The snapshots from `first_epoch` to `last_epoch`, of which there are `count`."""

    __tablename__ = "snapshots"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    first_epoch: Mapped[int] = mapped_column(primary_key=True)
    last_epoch: Mapped[int]
    count: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class SnapshotBlock:
    """Packed snapshots; `data` is the engine's Snapshots.to_bytes()."""

    first_epoch: int
    last_epoch: int
    count: int
    data: bytes


def append(db: Session, job_id: str, block: SnapshotBlock) -> None:
    """Adds a block; what began at its first epoch or later gives way, so that twice is once.

    After damage a training repeats epochs, and gives them the same bits: two blocks may then overlap.
    """
    db.execute(
        delete(SnapshotRow).where(SnapshotRow.job_id == job_id, SnapshotRow.first_epoch >= block.first_epoch)
    )
    db.add(
        SnapshotRow(
            job_id=job_id,
            first_epoch=block.first_epoch,
            last_epoch=block.last_epoch,
            count=block.count,
            data=block.data,
        )
    )
    db.flush()


def read(db: Session, job_id: str, *, after: int = -1) -> list[SnapshotBlock]:
    """The blocks with snapshots after an epoch, ascending."""
    query = select(SnapshotRow).where(SnapshotRow.job_id == job_id, SnapshotRow.last_epoch > after)
    rows = db.scalars(query.order_by(SnapshotRow.first_epoch))
    return [SnapshotBlock(row.first_epoch, row.last_epoch, row.count, row.data) for row in rows]


def nearest(db: Session, job_id: str, epoch: int) -> SnapshotBlock | None:
    """The block that holds the last snapshot up to an epoch; None where there is none."""
    query = select(SnapshotRow).where(SnapshotRow.job_id == job_id, SnapshotRow.first_epoch <= epoch)
    row = db.scalar(query.order_by(SnapshotRow.first_epoch.desc()).limit(1))
    return None if row is None else SnapshotBlock(row.first_epoch, row.last_epoch, row.count, row.data)
