"""Small jobs by the handful: claimed together by one worker, ended together in one transaction.

Only jobs that no worker has had yet are taken together. Should one of them kill its worker, all of them come
back, and from then on each goes alone: none is blamed for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from sqlalchemy import Double, Insert, Row, bindparam, insert, select, update
from sqlalchemy.orm import Session

from service.tables import claims, models, queue
from service.tables.base import table_of, unsynced
from service.tables.claims import Claimed, Progress
from service.tables.datasets import Dataset
from service.tables.functions import database_now
from service.tables.history import HistoryBlock
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job, PreparedMove, Status, move
from service.tables.plain import execute
from service.tables.snapshots import SnapshotRow

SMALL_WORK = 30_000_000  # multiplications and additions of a whole batch: some 0.1 s


@dataclass(frozen=True, slots=True)
class Ending:
    """A job that has trained to its end: its last progress and the columns of its model."""

    claimed: Claimed
    progress: Progress
    model: dict[str, Any]


def claim(
    db: Session,
    worker: str,
    *,
    claim_id: str,
    lease_seconds: float,
    most: int,
    sharers: int = 1,
    most_of_owner: int = 0,
    declined: frozenset[str] = frozenset(),
) -> list[Claimed]:
    """Takes the job that is next, and while they are small those behind it, at most `most`.

    The order is `claims.claim_next`'s. `sharers` workers leave each other their part of what waits, and of no
    owner more than `most_of_owner` run at once (0: any number). Called again with the same `claim_id` it
    finds the claims of a first call whose commit went unheard.
    """
    unsynced(db)
    room = queue.room(db, most_of_owner)
    if known := execute(db, _TAKEN, {"mine": claim_id}).all():
        if all(job.claim == 1 for job in known):
            return [claims.as_claimed(job, job.started_at, job.sha256, None) for job in known]
    elif not (waiting := execute(db, _WAITING, {"most": most * sharers, "full": [*room.full]}).all()):
        return []  # to look for one alone would be to walk once more past the jobs of full owners
    elif small := _small(room.fitting(waiting)):
        chosen = small[: min(most, math.ceil(len(small) / sharers))]
        if taken := _take(db, chosen, worker=worker, claim_id=claim_id, lease_seconds=lease_seconds):
            return taken
    single = claims.claim_next(
        db, worker, claim_id=claim_id, lease_seconds=lease_seconds, declined=declined, full=room.full
    )
    return [single] if single else []


def _small(jobs: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The first of the jobs, as long as they make a batch of small work."""
    sums = accumulate(_work(job) for job in jobs)
    return [job for job, work in zip(jobs, sums, strict=True) if work <= SMALL_WORK]


def _work(job: Row[Any]) -> float:
    """About how many multiplications and additions a job takes; infinite for one that must go alone."""
    if job.kind != "train" or job.claim > 0 or job.row_count is None:
        return math.inf
    try:
        units = [layer["units"] for layer in job.spec["model"]["hidden_layers"]]
        weights = sum(a * b for a, b in pairwise([len(job.spec["features"]), *units, 1]))
        return float(3 * weights * job.row_count * job.spec["training"]["epochs"])
    except (KeyError, TypeError):  # a spec of another version: it is to fail alone
        return math.inf


def _take(
    db: Session, jobs: Sequence[Row[Any]], *, worker: str, claim_id: str, lease_seconds: float
) -> list[Claimed]:
    """Claims those of the jobs that are still free; nobody has had them, so there is no checkpoint."""
    ids = [job.id for job in jobs]
    claim = {"by_worker": worker, "by_claim_id": claim_id, "lease_seconds": lease_seconds}
    moved = {job.id: job for job in _TAKE.run(db, reason="claimed", ids=ids, **claim)}
    taken = [(job, moved[job.id]) for job in jobs if job.id in moved]
    before = [claims.as_claimed(job, now.started_at, job.sha256, None) for job, now in taken]
    return [replace(each, claim=1, claim_id=claim_id) for each in before]


_INTEREST = (
    Job.id,
    Job.kind,
    Job.claim,
    Job.claim_id,
    Job.owner,
    Job.spec,
    Job.dataset_id,
    Job.executor,
    Job.numerics,
    Job.created_at,
    Job.started_at,
    Job.request_id,
    Job.traceparent,
    Dataset.row_count,
    Dataset.sha256,
)
_jobs = select(*_INTEREST).select_from(Job).outerjoin(Dataset, Dataset.id == Job.dataset_id)
_in_order = (Job.priority, Job.turn, Job.id)
_has_room = Job.owner.not_in(bindparam("full", expanding=True))
_WAITING = _jobs.where(IS_QUEUED, _has_room).order_by(*_in_order).limit(bindparam("most"))
_TAKEN = _jobs.where(IS_RUNNING, Job.claim_id == bindparam("mine")).order_by(*_in_order)
_these = Job.id.in_(bindparam("ids", expanding=True))
_free = select(Job.id).where(_these, IS_QUEUED, Job.claim == 0).with_for_update(skip_locked=True)
_TAKE = PreparedMove(
    Status.RUNNING,
    Job.id.in_(_free.scalar_subquery()),
    claim=1,
    tries=Job.tries + 1,
    worker=bindparam("by_worker"),
    claim_id=bindparam("by_claim_id"),
    lease_until=database_now() + bindparam("lease_seconds", type_=Double),
    heartbeat_at=database_now(),
    started_at=database_now(),
)


def heartbeat(db: Session, batch: Sequence[Claimed], *, lease_seconds: float) -> None:
    """Prolongs the leases of those that are still the worker's."""
    values = {"lease_until": database_now() + lease_seconds, "heartbeat_at": database_now()}
    # Row by row in one order: two that lock the same rows must not wait for one another.
    for each in sorted(batch, key=lambda claimed: claimed.job_id):
        db.execute(update(Job).where(*claims.mine(each)).values(values))


def succeed(db: Session, endings: Sequence[Ending]) -> list[Ending]:
    """Histories, models and statuses of many jobs in one transaction; gives those that must be ended alone.

    Left are jobs that were canceled, whose lease is lost, or that an unheard commit has ended already:
    `claims.succeed` tells them apart.
    """
    rows = _locked(db, [each.claimed.job_id for each in endings])
    sound = [each for each in endings if _may_end(rows.get(each.claimed.job_id), each)]
    if sound:
        _write(db, sound)
    return [each for each in endings if each not in sound]


def _locked(db: Session, ids: Sequence[str]) -> Mapping[str, Any]:
    return {row.id: row for row in execute(db, _LOCK, {"ids": ids})}


def _may_end(row: Any, ending: Ending) -> bool:
    if row is None or row.cancel_requested:
        return False
    mine = (row.claim, row.claim_id) == (ending.claimed.claim, ending.claimed.claim_id)
    return mine and bool(row.epoch == ending.progress.since)


def _write(db: Session, endings: Sequence[Ending]) -> None:
    made = models.add_all(
        db,
        [
            {"owner": each.owner, "job_id": each.job_id, "dataset_id": each.dataset_id, **ending.model}
            for ending in endings
            for each in (ending.claimed,)
        ],
    )
    states = [_last_state(each) | {"new_model": new} for each, new in zip(endings, made, strict=True)]
    execute(db, _END, states)
    # No row stands in their way: a claim has removed what an earlier one wrote past its checkpoint.
    _insert(db, _BLOCKS, [_row(each, block) for each in endings for block in each.progress.blocks])
    kept = [(each, each.progress.snapshots) for each in endings if each.progress.snapshots is not None]
    _insert(db, _SNAPSHOTS, [_row(each, block) | {"count": block.count} for each, block in kept])
    _SUCCEED.run(db, reason="finished", ids=[each.claimed.job_id for each in endings])


def _last_state(ending: Ending) -> dict[str, Any]:
    progress = ending.progress
    return {
        "job": ending.claimed.job_id,
        "last_epoch": progress.epoch,
        "all_seconds": progress.seconds,
        "used_executor": progress.executor,
        "used_numerics": progress.numerics,
        "last_row": progress.latest,
    }


def _row(ending: Ending, block: Any) -> dict[str, Any]:
    epochs = {"first_epoch": block.first_epoch, "last_epoch": block.last_epoch}
    return {"job_id": ending.claimed.job_id, "data": block.data, **epochs}


def _insert(db: Session, statement: Insert, rows: list[dict[str, Any]]) -> None:
    if rows:
        execute(db, statement, rows)


_table = table_of(Job)
_BLOCKS, _SNAPSHOTS = insert(table_of(HistoryBlock)), insert(table_of(SnapshotRow))
_LOCK = (
    select(Job.id, Job.claim, Job.claim_id, Job.epoch, Job.cancel_requested)
    .where(_these, IS_RUNNING)
    .order_by(Job.id)
    .with_for_update()
)
_END = (
    update(_table)
    .where(_table.c.id == bindparam("job"))
    .values(
        tries=0,
        epoch=bindparam("last_epoch"),
        seconds=bindparam("all_seconds"),
        executor=bindparam("used_executor"),
        numerics=bindparam("used_numerics"),
        latest=bindparam("last_row", type_=_table.c.latest.type),
        model_id=bindparam("new_model"),
    )
)
_SUCCEED = PreparedMove(Status.SUCCEEDED, _these, IS_RUNNING)


def give_back(db: Session, batch: Sequence[Claimed]) -> int:
    """Puts jobs that were claimed and not begun back to their old places; how many."""
    moved = 0
    for each in sorted(batch, key=lambda claimed: claimed.job_id):
        values = {"tries": 0, "claim_id": None, "started_at": None}
        goes_on = (*claims.mine(each), Job.cancel_requested.is_(False))
        moved += len(move(db, Status.QUEUED, *goes_on, reason="not_begun", **values))
        move(db, Status.CANCELED, *claims.mine(each), Job.cancel_requested, reason="cancel")
    return moved
