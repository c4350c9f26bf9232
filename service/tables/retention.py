"""What may be forgotten: rows that nobody can ask for any more, and old ones that nobody will."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, select, tuple_
from sqlalchemy.orm import Session

from service.tables.base import table_of
from service.tables.deliveries import Delivery, DeliveryStatus
from service.tables.events import Event, EventType
from service.tables.functions import database_now
from service.tables.history import Checkpoint
from service.tables.idempotency import KEPT_SECONDS, IdempotencyKey
from service.tables.jobs import DONE, Job, Status
from service.tables.snapshots import SnapshotRow

ROWS_AT_ONCE = 500  # in one transaction: others write in between


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of rows that go, and which: the condition for an age in seconds."""

    name: str
    table: Table
    goes: Callable[[float], ColumnElement[bool]]


def _of_old_jobs(table: Any, *statuses: Status) -> Callable[[float], ColumnElement[bool]]:
    wanted = [each.value for each in statuses or DONE]

    def goes(age: float) -> ColumnElement[bool]:
        old = Job.finished_at < database_now() - age
        condition: ColumnElement[bool] = table.job_id.in_(select(Job.id).where(Job.status.in_(wanted), old))
        return condition

    return goes


def _of_succeeded_jobs(_age: float) -> ColumnElement[bool]:
    return Checkpoint.job_id.in_(select(Job.id).where(Job.status == Status.SUCCEEDED.value))


RULES: tuple[Rule, ...] = (
    Rule("checkpoints of jobs that succeeded", table_of(Checkpoint), _of_succeeded_jobs),
    Rule(
        "checkpoints of old jobs, not to be resumed",
        table_of(Checkpoint),
        _of_old_jobs(Checkpoint),
    ),
    Rule("snapshots of old jobs, for their replay", table_of(SnapshotRow), _of_old_jobs(SnapshotRow)),
    Rule(
        "progress events of old jobs",
        table_of(Event),
        lambda age: (Event.type == EventType.PROGRESS.value) & _of_old_jobs(Event)(age),
    ),
    Rule(
        "deliveries of webhooks of old jobs",
        table_of(Delivery),
        lambda age: (Delivery.status != DeliveryStatus.WAITING.value) & _of_old_jobs(Delivery)(age),
    ),
    Rule(
        "idempotency keys that have run out",
        table_of(IdempotencyKey),
        lambda _age: IdempotencyKey.created_at < database_now() - KEPT_SECONDS,
    ),
)
OLD_JOBS = Rule(
    "old jobs that are done, with all that hangs on them but their models",
    table_of(Job),
    lambda age: Job.status.in_([each.value for each in DONE]) & (Job.finished_at < database_now() - age),
)


def count(db: Session, rule: Rule, age_seconds: float) -> int:
    """How many rows a rule would remove."""
    return db.scalar(select(func.count()).select_from(rule.table).where(rule.goes(age_seconds))) or 0


def remove(db: Session, rule: Rule, age_seconds: float) -> int:
    """Removes some of a rule's rows; how many. 0 says that none is left."""
    key = tuple_(*rule.table.primary_key)
    some = select(*rule.table.primary_key).where(rule.goes(age_seconds)).limit(ROWS_AT_ONCE)
    return len(db.execute(delete(rule.table).where(key.in_(some)).returning(*rule.table.primary_key)).all())


def known(db: Session, job_ids: list[str]) -> set[str]:
    """Those of the ids that name a job."""
    return set(db.scalars(select(Job.id).where(Job.id.in_(job_ids))))
