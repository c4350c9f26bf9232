"""Deliveries of webhooks: queued as their job ends, claimed under a lease, tried until they arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    column,
    insert,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, new_id
from service.tables.functions import database_now


class DeliveryStatus(StrEnum):
    """What has become of a delivery."""

    WAITING = "waiting"  # for its first or its next attempt
    DELIVERED = "delivered"  # the receiver answered with a 2xx
    FAILED = "failed"  # given up after the last attempt


class Delivery(Base):
    """One notice of one job's end, and the log of its attempts."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(255))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(insert_default=0)
    claim: Mapped[int] = mapped_column(insert_default=0)  # the fencing token, as of jobs
    next_at: Mapped[datetime] = mapped_column(insert_default=database_now())  # or until when it is claimed
    log: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())


_jobs = table("jobs", column("id"), column("owner", String))  # by name: their module imports this one
_OWNER = select(_jobs.c.owner).where(_jobs.c.id == Delivery.job_id).scalar_subquery()
_IS_WAITING = Delivery.status == literal_column("'waiting'")
_waiting_rows = text("status = 'waiting'")
Index("ix_deliveries_waiting", Delivery.next_at, sqlite_where=_waiting_rows, postgresql_where=_waiting_rows)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be delivered: where, signed with what, and the body."""

    job_id: str
    url: str
    secret: str
    body: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this courier alone may try now."""

    id: str
    claim: int
    url: str
    secret: str
    body: str
    attempt: int
    owner: str  # of the job


def queue(db: Session, notices: Sequence[Notice]) -> None:
    """Queues notices, in the transaction that ends their jobs: neither is there without the other."""
    if not notices:
        return
    rows = [
        {
            "id": new_id("dlv"),
            "job_id": notice.job_id,
            "url": notice.url,
            "secret": notice.secret,
            "body": notice.body,
            "status": DeliveryStatus.WAITING,
            "log": [],
        }
        for notice in notices
    ]
    db.execute(insert(Delivery), rows)


def claim_due(
    db: Session,
    *,
    lease_seconds: float,
    without_urls: Sequence[str] = (),
    without_owners: Sequence[str] = (),
) -> Claimed | None:
    """Takes the delivery that is due longest, but to none of some receivers and of none of some owners.

    Should its courier die, it is due again after the lease.
    """
    due = select(Delivery.id).where(_IS_WAITING, Delivery.next_at <= database_now())
    if without_urls:
        due = due.where(Delivery.url.not_in(without_urls))
    if without_owners:
        due = due.where(_OWNER.not_in(without_owners))
    first = due.order_by(Delivery.next_at).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    taken = (
        update(Delivery)
        .where(Delivery.id == first, _IS_WAITING)
        .values(
            claim=Delivery.claim + 1, attempts=Delivery.attempts + 1, next_at=database_now() + lease_seconds
        )
    )
    columns = (Delivery.id, Delivery.claim, Delivery.url, Delivery.secret, Delivery.body, Delivery.attempts)
    row = db.execute(taken.returning(*columns, _OWNER), execution_options={"synchronize_session": False})
    found = row.one_or_none()
    return None if found is None else Claimed(*found)


def record(
    db: Session,
    claimed: Claimed,
    entry: dict[str, Any],
    *,
    arrived: bool,
    retry_in_seconds: float | None,
) -> bool:
    """Writes down how an attempt went; False when the delivery has been another courier's meanwhile."""
    row = db.scalar(select(Delivery).where(Delivery.id == claimed.id, Delivery.claim == claimed.claim))
    if row is None or row.status != DeliveryStatus.WAITING:
        return False
    values: dict[str, Any] = {"log": [*row.log, entry]}
    if arrived:
        values["status"] = DeliveryStatus.DELIVERED
    elif retry_in_seconds is None:
        values["status"] = DeliveryStatus.FAILED
    else:
        values["next_at"] = database_now() + retry_in_seconds
    db.execute(update(Delivery).where(Delivery.id == claimed.id).values(values))
    return True


def of_job(db: Session, job_id: str) -> list[Delivery]:
    """The deliveries of a job, oldest first."""
    return list(db.scalars(select(Delivery).where(Delivery.job_id == job_id).order_by(Delivery.id)))
