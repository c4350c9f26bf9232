"""The jobs as their users see them, and the one place that knows what a status may become."""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ColumnExpressionArgument,
    Double,
    Index,
    Row,
    SmallInteger,
    String,
    and_,
    bindparam,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables import deliveries, events
from service.tables.base import Base, Page, read_page, table_of
from service.tables.deliveries import Notice
from service.tables.functions import database_now
from service.tables.plain import Source, Whole, execute


class Status(StrEnum):
    """What a job is doing; `canceling` is shown for a running one, never stored."""

    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a worker holds a lease on it
    SUCCEEDED = "succeeded"  # its model is there
    FAILED = "failed"  # it says why in `error`
    CANCELED = "canceled"  # somebody asked for it


class Priority(IntEnum):
    """What goes first; stored as the number."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELED: frozenset({Status.QUEUED}),
}
CREATED = "created"  # the reason of a job's first move, which is logged with the time of its row
DONE = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})


class Job(Base):
    """One job and all that its protocol needs."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(10))
    name: Mapped[str | None] = mapped_column(String(255))
    dataset_id: Mapped[str] = mapped_column(String(40))
    spec: Mapped[dict[str, Any]]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    priority: Mapped[int] = mapped_column(SmallInteger)
    turn: Mapped[int] = mapped_column(BigInteger)  # order within a priority, fair between owners
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    claim: Mapped[int] = mapped_column(insert_default=0)  # the fencing token: older ones are refused
    claim_id: Mapped[str | None] = mapped_column(String(32))  # recognises a claim whose commit went unheard
    worker: Mapped[str | None] = mapped_column(String(120))
    attempt: Mapped[int] = mapped_column(insert_default=1)  # rises after a fault only
    tries: Mapped[int] = mapped_column(insert_default=0)  # claims in a row without progress
    lease_until: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(insert_default=False)
    stop_requested: Mapped[bool] = mapped_column(insert_default=False)

    epoch: Mapped[int] = mapped_column(insert_default=0)
    epochs: Mapped[int]
    seconds: Mapped[float] = mapped_column(insert_default=0.0)  # trained, over all claims
    work: Mapped[float | None] = mapped_column(Double)  # as reckoned before; None for what is no training
    latest: Mapped[dict[str, Any] | None]  # the last row of the history
    executor: Mapped[str | None] = mapped_column(String(40))  # of the first claim: one numerics a job
    numerics: Mapped[str | None] = mapped_column(String(120))
    model_id: Mapped[str | None] = mapped_column(String(40))
    webhook: Mapped[dict[str, Any] | None]  # url and secret: who is told of the end
    request_id: Mapped[str | None] = mapped_column(String(128))  # of the request that made the job
    traceparent: Mapped[str | None] = mapped_column(String(55))  # of that request's span (W3C Trace Context)
    error: Mapped[dict[str, Any] | None]  # a problem: code, detail, hint

    @property
    def done(self) -> bool:
        """Says whether the job has ended."""
        return self.status in DONE

    @property
    def shown_status(self) -> str:
        """The status as users see it."""
        return "canceling" if self.status == Status.RUNNING and self.cancel_requested else self.status

    @property
    def priority_name(self) -> str:
        """The priority as users write it."""
        return Priority(self.priority).name.lower()


JOB = Whole(Job)

# Written as literals: neither database uses a partial index for a bound parameter.
IS_QUEUED: ColumnElement[bool] = Job.status == literal_column("'queued'")
IS_RUNNING: ColumnElement[bool] = Job.status == literal_column("'running'")
# Not by status: where PostgreSQL last counted its rows while nothing waited, it would serve the queue's
# queries, too, from an index of the queued and the running, and sort what it found.
OPEN: ColumnElement[bool] = Job.finished_at.is_(None)

_open_rows = text("finished_at IS NULL")
_queued_rows = text("status = 'queued'")
_running_rows = text("status = 'running'")
Index("ix_jobs_owner_id", Job.owner, Job.id)
Index("ix_jobs_owner_status_id", Job.owner, Job.status, Job.id)
Index("ix_jobs_open_dataset_id", Job.dataset_id, sqlite_where=_open_rows, postgresql_where=_open_rows)
Index(  # the order of the queue; the owner stands in it for those who walk past the jobs of full owners
    "ix_jobs_queued",
    Job.priority,
    Job.turn,
    Job.id,
    Job.owner,
    sqlite_where=_queued_rows,
    postgresql_where=_queued_rows,
)
Index(
    "ix_jobs_queued_owner",
    Job.owner,
    Job.priority,
    Job.turn,
    sqlite_where=_queued_rows,
    postgresql_where=_queued_rows,
)
Index("ix_jobs_running", Job.lease_until, sqlite_where=_running_rows, postgresql_where=_running_rows)


# What is told of a moved job, to the log and to those who wait for its end.
_MOVED = (
    Job.id,
    Job.owner,
    Job.request_id,
    Job.status,
    Job.claim,
    Job.started_at,
    Job.name,
    Job.model_id,
    Job.metadata_,
    Job.webhook,
    Job.error,
)


class PreparedMove:
    """A move to a status of every job that meets conditions; built once, run often.

    The only writer of a status. A compare-and-set: the rows that come back are the ones that were moved.
    """

    def __init__(self, to: Status, *conditions: ColumnExpressionArgument[bool], **values: Any) -> None:
        sources = [status for status, targets in MOVES.items() if to in targets]
        may_become = Job.status.in_([literal_column(f"'{each}'", String) for each in sources])
        if to in DONE:
            values = {"finished_at": database_now(), "lease_until": None, "worker": None} | values
        if to is Status.QUEUED:
            values = {"lease_until": None, "worker": None, "published_at": None} | values
        statement = update(table_of(Job)).where(may_become, *conditions)
        self._statement = statement.values(status=to.value, **values).returning(*_MOVED)
        self._ends = to in DONE

    def run(self, db: Session, *, reason: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Moves the jobs and logs it; the new states of those that were moved."""
        moved = execute(db, self._statement, parameters).all()
        events.log_moves(db, moved, reason)
        if self._ends:
            deliveries.queue(db, [_notice(job) for job in moved if job.webhook])
        return moved


def move(
    db: Session, to: Status, *conditions: ColumnExpressionArgument[bool], reason: str, **values: Any
) -> Sequence[Row[Any]]:
    """Moves every job that meets `conditions` and may become `to`, as a PreparedMove does.

    Objects that the session holds of these jobs are not told.
    """
    return PreparedMove(to, *conditions, **values).run(db, reason=reason)


def _notice(job: Row[Any]) -> Notice:
    """What a webhook tells of a job's end; readers who want more follow the id."""
    facts = {"id": job.id, "name": job.name, "status": job.status, "model_id": job.model_id}
    code = None if job.error is None else job.error.get("code")
    body = {"type": f"job.{job.status}", "data": {**facts, "metadata": job.metadata, "error": code}}
    return Notice(job.id, job.webhook["url"], job.webhook["secret"], orjson.dumps(body).decode())


def find(db: Source, owner: str, job_id: str) -> Job | None:
    """The owner's job, to be read, or None."""
    row = execute(db, _FIND, {"id": job_id, "owner": owner}).first()
    return None if row is None else JOB.made_of(row)


def goes_on(db: Session, owner: str, job_id: str) -> bool:
    """Says whether the owner has this job and it has not ended: what streams ask again and again."""
    return execute(db, _GOES_ON, {"id": job_id, "owner": owner}).first() is not None


# Built once, here and for all that is done with every job: to build a statement takes longer than to run it.
_this_one = and_(Job.id == bindparam("id"), Job.owner == bindparam("owner"))
_FIND = select(*JOB.columns).where(_this_one)
_GOES_ON = select(Job.id).where(_this_one, OPEN)


def page(
    db: Source,
    owner: str,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
    dataset_id: str | None = None,
    name: str | None = None,
) -> Page[Job]:
    """The owner's jobs, newest first, to be read; `status` as users see it, `canceling` included."""
    query = select(*JOB.columns).where(Job.owner == owner)
    if status is not None:
        stored = Status.RUNNING if status == "canceling" else status
        # Bounds and an order, not "=": where PostgreSQL last counted its rows while nothing waited, it would
        # rather take an index of the queued alone, and sort them all.
        below = Job.status <= stored if after is None else tuple_(Job.status, Job.id) < (stored, after)
        query = query.where(Job.status >= stored, below).order_by(Job.status.desc())
        if stored == Status.RUNNING:
            query = query.where(Job.cancel_requested.is_(status == "canceling"))
    for column, wanted in ((Job.dataset_id, dataset_id), (Job.name, name)):
        query = query if wanted is None else query.where(column == wanted)
    return read_page(db, JOB, query, limit=limit, after=after)
