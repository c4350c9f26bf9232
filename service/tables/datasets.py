"""The datasets: what is known of each; their bytes lie in the storage."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, bindparam, exists, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables import queue
from service.tables.base import Base, Conflict, Page, new_id, read_page, table_of
from service.tables.functions import database_now
from service.tables.jobs import OPEN, Job
from service.tables.plain import Source, Whole, execute

VALIDATION = "validation"  # the kind of the jobs that read large uploads
_UNKNOWN: dict[str, Any] = {"row_count": 0, "columns": [], "warnings": []}


class Dataset(Base):
    """A table of data; immutable once it is ready. Until then `sha256` and `bytes` are the upload's own."""

    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_owner_id", "owner", "id"), Index("ix_datasets_sha256", "sha256"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    name: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(12))
    sha256: Mapped[str] = mapped_column(String(64))
    source_sha256: Mapped[str | None] = mapped_column(String(64))  # of the file that was sent, if one was
    row_count: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    profile: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())


def add(
    db: Session,
    *,
    owner: str,
    name: str | None,
    profile: dict[str, Any],
    sha256: str,
    size: int,
    source_sha256: str | None = None,
    status: str = "ready",
) -> Dataset:
    """A new dataset, detached; `profile` is the engine's profile document, `size` the stored bytes."""
    row = {
        "id": new_id("ds"),
        "owner": owner,
        "name": name,
        "status": status,
        "sha256": sha256,
        "source_sha256": source_sha256,
        "row_count": profile["row_count"],
        "bytes": size,
        "profile": profile,
    }
    return Dataset(**row, created_at=execute(db, _INSERT, row).scalar_one())


def expect(
    db: Session, *, owner: str, name: str | None, sha256: str, size: int, reading: dict[str, Any]
) -> tuple[Dataset, Job]:
    """A dataset whose upload is still to be validated, and the job that does it; `reading` tells it how."""
    facts: dict[str, Any] = {"sha256": sha256, "source_sha256": sha256, "size": size}
    dataset = add(db, owner=owner, name=name, profile=_UNKNOWN, status="validating", **facts)
    job = queue.add(
        db, owner=owner, dataset_id=dataset.id, spec=reading, name=name, kind=VALIDATION, epochs=1
    )
    return dataset, job


def accept(db: Session, dataset_id: str, *, profile: dict[str, Any], sha256: str, size: int) -> None:
    """The upload was found right: the dataset is ready, its bytes are Parquet now."""
    facts = {"profile": profile, "row_count": profile["row_count"], "sha256": sha256, "bytes": size}
    db.execute(update(Dataset).where(Dataset.id == dataset_id).values(status="ready", **facts))


def rejection(db: Session, dataset: Dataset) -> dict[str, Any] | None:
    """Why the upload of a dataset was rejected; None for one that is ready or still to be validated."""
    if dataset.status == "ready":
        return None
    newest = select(Job).where(Job.dataset_id == dataset.id, Job.kind == VALIDATION)
    job = db.scalar(newest.order_by(Job.id.desc()).limit(1))
    if job is not None and not job.done:
        return None
    error = None if job is None else job.error
    return error or {"code": "job_canceled", "detail": "the validation was canceled", "hint": "Upload again."}


def find(db: Source, owner: str, dataset_id: str) -> Dataset | None:
    """The owner's dataset, to be read, or None."""
    row = execute(db, _FIND, {"id": dataset_id, "owner": owner}).first()
    return None if row is None else _DATASET.made_of(row)


# Built once: they are run for every job.
_mine = (Dataset.id == bindparam("id"), Dataset.owner == bindparam("owner"))
_DATASET = Whole(Dataset)
_INSERT = insert(table_of(Dataset)).returning(Dataset.created_at)
_FIND = select(*_DATASET.columns).where(*_mine)


def page(db: Source, owner: str, *, limit: int, after: str | None = None) -> Page[Dataset]:
    """The owner's datasets, newest first, to be read."""
    query = select(*_DATASET.columns).where(Dataset.owner == owner)
    return read_page(db, _DATASET, query, limit=limit, after=after)


def remove(db: Session, owner: str, dataset_id: str) -> bool:
    """Removes the row; False where there is none. Raises Conflict while a job that is not done needs it.

    The bytes are the caller's to remove, once `in_use` says that no other dataset has the same.
    """
    # Locked, so that no job can be added between the look and the removal.
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.owner == owner)
    dataset = db.scalar(query.with_for_update())
    if dataset is None:
        return False
    validates = Job.spec["split"]["dataset_id"].as_string() == dataset_id
    live = db.scalar(select(Job.id).where(or_(Job.dataset_id == dataset_id, validates), OPEN).limit(1))
    if live is not None:
        raise Conflict(
            "dataset_in_use",
            f"dataset {dataset_id} is used by {live}, which is not done",
            "Wait until the job is done, or cancel it, and delete again.",
        )
    db.delete(dataset)
    db.flush()
    return True


def in_use(db: Session, sha256: str) -> bool:
    """Says whether any dataset still stands on these bytes."""
    return db.scalar(select(Dataset.id).where(Dataset.sha256 == sha256).limit(1)) is not None


def in_use_elsewhere(db: Session, sha256: str, dataset_id: str) -> bool:
    """Says whether a dataset beside this one stands on these bytes, or is still to be validated from them."""
    waits = exists().where(Job.dataset_id == Dataset.id, Job.kind == VALIDATION, OPEN)
    others = select(Dataset.id).where(Dataset.sha256 == sha256, Dataset.id != dataset_id)
    return db.scalar(others.where(or_(Dataset.status == "ready", waits)).limit(1)) is not None
