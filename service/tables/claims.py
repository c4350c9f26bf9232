"""The worker's side of a job: claim, progress, release, end; each fenced by the number of its claim."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Double, Update, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from service.tables import events, history, models, snapshots
from service.tables.datasets import Dataset
from service.tables.functions import database_now
from service.tables.history import Block
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job, PreparedMove, Status, move
from service.tables.plain import execute
from service.tables.queue import next_turn
from service.tables.snapshots import SnapshotBlock

DECLINED = "other_numerics"  # why a worker gives back a job that was begun with numerics it lacks


class LostLease(Exception):
    """Another worker owns the job now, or it has ended: drop everything, write nothing."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that this worker may work on until its lease ends."""

    job_id: str
    kind: str
    claim: int
    claim_id: str
    owner: str
    spec: dict[str, Any]
    dataset_id: str
    dataset_sha256: str | None  # None: the dataset is gone
    executor: str | None
    numerics: str | None
    checkpoint: bytes | None
    waited_seconds: float
    request_id: str | None = None  # of the request that made the job
    traceparent: str | None = None  # of that request's span


@dataclass(frozen=True, slots=True)
class Flags:
    """What users have asked of a running job."""

    cancel: bool
    stop: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What a chunk of training has brought: history since the last progress and the state after it."""

    since: int  # the epoch that the job stood at before
    epoch: int
    seconds: float
    blocks: list[Block]
    checkpoint: bytes | None  # None leaves the one before
    latest: dict[str, Any] | None
    executor: str
    numerics: str
    snapshots: SnapshotBlock | None = None  # what is kept of the way, for its replay


def claim_next(
    db: Session,
    worker: str,
    *,
    claim_id: str,
    lease_seconds: float,
    declined: frozenset[str] = frozenset(),
    full: frozenset[str] = frozenset(),
) -> Claimed | None:
    """Takes the job that is next: by priority, fair between owners, then by age. None when nothing waits.

    `declined` are numerics that this worker lacks, `full` owners that may have no more running. Called again
    with the same `claim_id` it finds the claim of a first call whose commit went unheard.
    """
    job = db.scalar(_TAKEN, {"mine": claim_id})
    if job is None:
        claim = {"by_worker": worker, "by_claim_id": claim_id, "lease_seconds": lease_seconds}
        if not _TAKE.run(db, reason="claimed", declined=[*declined], full=[*full], **claim):
            return None
        job = db.scalars(_TAKEN, {"mine": claim_id}).one()
    return _with_checkpoint(db, job)


# Built once: to build a statement takes longer than to run it.
_TAKEN = select(Job).where(IS_RUNNING, Job.claim_id == bindparam("mine"))
_can_be_run = or_(Job.numerics.is_(None), Job.numerics.not_in(bindparam("declined", expanding=True)))
_has_room = Job.owner.not_in(bindparam("full", expanding=True))
_waiting = select(Job.id).where(IS_QUEUED, _can_be_run, _has_room)
_next = _waiting.order_by(Job.priority, Job.turn, Job.id).limit(1).with_for_update(skip_locked=True)
_TAKE = PreparedMove(
    Status.RUNNING,
    Job.id == _next.scalar_subquery(),
    claim=Job.claim + 1,
    tries=Job.tries + 1,
    claim_id=bindparam("by_claim_id"),
    worker=bindparam("by_worker"),
    lease_until=database_now() + bindparam("lease_seconds", type_=Double),
    heartbeat_at=database_now(),
    started_at=func.coalesce(Job.started_at, database_now()),
)


def _with_checkpoint(db: Session, job: Job) -> Claimed:
    saved = history.sound_checkpoint(db, job.id)
    # After damage an older checkpoint stands in: the epochs behind it are trained, and written, again.
    epoch = saved[0] if saved else 0
    history.truncate(db, job.id, epoch)
    if job.epoch != epoch:
        db.execute(update(Job).where(Job.id == job.id).values(epoch=epoch))
    digest = db.scalar(select(Dataset.sha256).where(Dataset.id == job.dataset_id))
    return as_claimed(job, job.started_at, digest, saved[1] if saved else None)


def as_claimed(
    job: Any, started_at: datetime | None, dataset_sha256: str | None, checkpoint: bytes | None
) -> Claimed:
    """What the worker is told of a job, or of its row, that it has just taken."""
    return Claimed(
        job_id=job.id,
        kind=job.kind,
        claim=job.claim,
        claim_id=job.claim_id,
        owner=job.owner,
        spec=job.spec,
        dataset_id=job.dataset_id,
        dataset_sha256=dataset_sha256,
        executor=job.executor,
        numerics=job.numerics,
        checkpoint=checkpoint,
        waited_seconds=((started_at or job.created_at) - job.created_at).total_seconds(),
        request_id=job.request_id,
        traceparent=job.traceparent,
    )


def mine(claimed: Claimed) -> tuple[ColumnElement[bool], ...]:
    """Holds while the job is this claim's: the fence before every write."""
    # By the claim's id too: a server that crashed may have lost a claim, and given its number away again.
    this = (Job.id == claimed.job_id, Job.claim == claimed.claim, Job.claim_id == claimed.claim_id)
    return (*this, IS_RUNNING)


def heartbeat(db: Session, claimed: Claimed, *, lease_seconds: float) -> Flags:
    """Prolongs the lease. Raises LostLease."""
    lease: dict[str, Any] = {"lease_until": database_now() + lease_seconds, "heartbeat_at": database_now()}
    return _flags(db, claimed, update(Job).where(*mine(claimed)).values(**lease))


def read_flags(db: Session, claimed: Claimed) -> Flags:
    """What has been asked of the job, without a write. Raises LostLease."""
    this = {"id": claimed.job_id, "number": claimed.claim, "claim_id": claimed.claim_id}
    row = execute(db, _FLAGS, this).one_or_none()
    if row is None:
        raise LostLease(claimed.job_id)
    return Flags(cancel=row.cancel_requested, stop=row.stop_requested)


_claim = (Job.id == bindparam("id"), Job.claim == bindparam("number"), Job.claim_id == bindparam("claim_id"))
_FLAGS = select(Job.cancel_requested, Job.stop_requested).where(*_claim, IS_RUNNING)


def save_progress(db: Session, claimed: Claimed, progress: Progress, *, lease_seconds: float) -> Flags:
    """History, checkpoint and lease in one transaction; twice is once. Raises LostLease.

    Also when the row does not stand where this progress begins: a database that went back in time (restored,
    failed over, crashed without syncing) would get a history with a gap. The next claim goes on from what is
    there.
    """
    flags = _save(db, claimed, progress, lease_seconds=lease_seconds)
    data = {"epoch": progress.epoch, "seconds": progress.seconds, "latest": progress.latest}
    events.log_progress(db, claimed.job_id, claimed.claim, progress.epoch, data)
    return flags


def _save(db: Session, claimed: Claimed, progress: Progress, *, lease_seconds: float) -> Flags:
    values: dict[str, Any] = {
        "lease_until": database_now() + lease_seconds,
        "heartbeat_at": database_now(),
        "epoch": progress.epoch,
        "seconds": progress.seconds,
        "executor": progress.executor,
        "numerics": progress.numerics,
    }
    if progress.latest is not None:
        values["latest"] = progress.latest
    if progress.checkpoint is not None:
        values["tries"] = 0  # what comes without one is lost with its worker: a job might go round for ever
    here = Job.epoch.in_({progress.since, progress.epoch})
    flags = _flags(db, claimed, update(Job).where(*mine(claimed), here).values(**values))
    history.append(db, claimed.job_id, progress.blocks)
    if progress.checkpoint is not None:
        epoch, data = progress.epoch, progress.checkpoint
        history.save_checkpoint(db, claimed.job_id, epoch=epoch, claim=claimed.claim, data=data)
    if progress.snapshots is not None:
        snapshots.append(db, claimed.job_id, progress.snapshots)
    return flags


def _flags(db: Session, claimed: Claimed, statement: Update) -> Flags:
    asked = statement.returning(Job.cancel_requested, Job.stop_requested)
    row = db.execute(asked, execution_options={"synchronize_session": False}).one_or_none()
    if row is None:
        raise LostLease(claimed.job_id)
    return Flags(cancel=row.cancel_requested, stop=row.stop_requested)


def release(db: Session, claimed: Claimed, *, reason: str) -> bool:
    """Gives a job back to the queue, behind those that wait; False if it is not to go on, or not ours."""
    job = db.scalar(select(Job).where(*mine(claimed)))
    if job is None:
        return False
    turn = next_turn(db, job.owner, job.priority)
    # A worker that gives back is no fault of the job's: the claim does not count as a try.
    goes_on = (*mine(claimed), Job.cancel_requested.is_(False))
    if move(db, Status.QUEUED, *goes_on, reason=reason, turn=turn, tries=0):
        return True
    # Looked at last: a cancel that comes in between is seen by one of the two.
    move(db, Status.CANCELED, *mine(claimed), Job.cancel_requested, reason="cancel")
    return False


def succeed(db: Session, claimed: Claimed, progress: Progress, *, model: dict[str, Any]) -> str | None:
    """The last history, the model and the status in one transaction; the model's id.

    None when a cancel came first: the caller then ends the job as canceled. Raises LostLease.
    """
    if finished := _finished_before(db, claimed, Status.SUCCEEDED):
        return finished.model_id
    if _save(db, claimed, progress, lease_seconds=1).cancel:
        return None
    row = models.add(db, owner=claimed.owner, job_id=claimed.job_id, dataset_id=claimed.dataset_id, **model)
    move(db, Status.SUCCEEDED, *mine(claimed), reason="finished", model_id=row.id)
    return row.id


def complete(db: Session, claimed: Claimed, progress: Progress) -> bool:
    """The end of a job that makes no model; False when a cancel came first. Raises LostLease."""
    if _finished_before(db, claimed, Status.SUCCEEDED):
        return True
    if _save(db, claimed, progress, lease_seconds=1).cancel:
        return False
    move(db, Status.SUCCEEDED, *mine(claimed), reason="finished")
    return True


def cancel(db: Session, claimed: Claimed, progress: Progress | None) -> None:
    """Ends the job as canceled, its history and checkpoint kept. Raises LostLease."""
    if _finished_before(db, claimed, Status.CANCELED):
        return
    if progress is not None:
        _save(db, claimed, progress, lease_seconds=1)
    _must_move(db, Status.CANCELED, claimed, reason="cancel")


def fail(db: Session, claimed: Claimed, error: dict[str, Any], progress: Progress | None = None) -> None:
    """Ends the job as failed with a problem: code, detail, hint. Raises LostLease."""
    if _finished_before(db, claimed, Status.FAILED):
        return
    if progress is not None:
        _save(db, claimed, progress, lease_seconds=1)
    _must_move(db, Status.FAILED, claimed, reason=str(error["code"])[:40], error=error)


def _must_move(db: Session, to: Status, claimed: Claimed, *, reason: str, **values: Any) -> None:
    if not move(db, to, *mine(claimed), reason=reason, **values):
        raise LostLease(claimed.job_id)


def _finished_before(db: Session, claimed: Claimed, status: Status) -> Job | None:
    """The job, if an earlier try of the same end has committed without our hearing of it."""
    return db.scalar(
        select(Job).where(
            Job.id == claimed.job_id,
            Job.claim == claimed.claim,
            Job.claim_id == claimed.claim_id,
            Job.status == status,
        )
    )
