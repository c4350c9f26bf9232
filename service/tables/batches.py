"""Small jobs by the handful: claimed together by one worker, ended together in one transaction.

Only jobs that no worker has had yet are taken together. Should one of them kill its worker, all of them come
back, and from then on each goes alone: none is blamed for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from service.tables import claims, models
from service.tables.base import database_now
from service.tables.claims import Claimed, Progress
from service.tables.datasets import Dataset
from service.tables.history import HistoryBlock
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job, Status, move
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
    declined: frozenset[str] = frozenset(),
) -> list[Claimed]:
    """Takes the job that is next, and while they are small those behind it, at most `most`.

    The order is `claims.claim_next`'s. `sharers` workers leave each other their part of what waits. Called
    again with the same `claim_id` it finds the claims of a first call whose commit went unheard.
    """
    known = list(db.scalars(select(Job).where(IS_RUNNING, Job.claim_id == claim_id).order_by(Job.turn)))
    if len(known) < 2:
        lease = database_now() + lease_seconds
        together = [] if known else _small_jobs_next(db, most * sharers)
        chosen = together[: min(most, math.ceil(len(together) / sharers))]
        known = _take(db, chosen, worker=worker, claim_id=claim_id, lease_until=lease)
    if known:
        return _claimed(db, known)
    single = claims.claim_next(db, worker, claim_id=claim_id, lease_seconds=lease_seconds, declined=declined)
    return [single] if single else []


def _small_jobs_next(db: Session, most: int) -> list[str]:
    """The ids of the small jobs at the head of the queue."""
    query = select(Job.id, Job.kind, Job.claim, Job.spec, Dataset.row_count)
    query = query.outerjoin(Dataset, Dataset.id == Job.dataset_id).where(IS_QUEUED)
    rows = db.execute(query.order_by(Job.priority, Job.turn, Job.id).limit(most)).all()
    sums = accumulate(_work(row) for row in rows)
    return [row.id for row, work in zip(rows, sums, strict=True) if work <= SMALL_WORK]


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


def _take(db: Session, ids: Sequence[str], **values: Any) -> list[Job]:
    if len(ids) < 2:
        return []
    free = select(Job.id).where(Job.id.in_(ids), IS_QUEUED, Job.claim == 0).with_for_update(skip_locked=True)
    now = database_now()
    marks = {"claim": 1, "tries": Job.tries + 1, "heartbeat_at": now, "started_at": now}
    moved = move(db, Status.RUNNING, Job.id.in_(free.scalar_subquery()), reason="claimed", **marks, **values)
    return sorted(moved, key=lambda job: (job.priority, job.turn, job.id))


def _claimed(db: Session, taken: Sequence[Job]) -> list[Claimed]:
    wanted = {job.dataset_id for job in taken}
    rows = db.execute(select(Dataset.id, Dataset.sha256).where(Dataset.id.in_(wanted)))
    digests = {row.id: row.sha256 for row in rows}
    return [claims.as_claimed(job, digests.get(job.dataset_id), None) for job in taken]


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
    query = select(Job.id, Job.claim, Job.epoch, Job.cancel_requested).where(Job.id.in_(ids), IS_RUNNING)
    return {row.id: row for row in db.execute(query.order_by(Job.id).with_for_update())}


def _may_end(row: Any, ending: Ending) -> bool:
    if row is None or row.cancel_requested:
        return False
    return bool(row.claim == ending.claimed.claim and row.epoch == ending.progress.since)


def _write(db: Session, endings: Sequence[Ending]) -> None:
    made = models.add_all(
        db,
        [
            {"owner": each.owner, "job_id": each.job_id, "dataset_id": each.dataset_id, **ending.model}
            for ending in endings
            for each in (ending.claimed,)
        ],
    )
    states = [_last_state(each) | {"model_id": new} for each, new in zip(endings, made, strict=True)]
    db.execute(update(Job), states)
    # No row stands in their way: a claim has removed what an earlier one wrote past its checkpoint.
    _insert(db, HistoryBlock, [_row(each, block) for each in endings for block in each.progress.blocks])
    kept = [(each, each.progress.snapshots) for each in endings if each.progress.snapshots is not None]
    _insert(db, SnapshotRow, [_row(each, block) | {"count": block.count} for each, block in kept])
    ids = [each.claimed.job_id for each in endings]
    move(db, Status.SUCCEEDED, Job.id.in_(ids), IS_RUNNING, reason="finished")


def _last_state(ending: Ending) -> dict[str, Any]:
    progress = ending.progress
    return {
        "id": ending.claimed.job_id,
        "tries": 0,
        "epoch": progress.epoch,
        "seconds": progress.seconds,
        "executor": progress.executor,
        "numerics": progress.numerics,
        "latest": progress.latest,
    }


def _row(ending: Ending, block: Any) -> dict[str, Any]:
    epochs = {"first_epoch": block.first_epoch, "last_epoch": block.last_epoch}
    return {"job_id": ending.claimed.job_id, "data": block.data, **epochs}


def _insert(db: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(insert(table), rows)


def give_back(db: Session, batch: Sequence[Claimed]) -> int:
    """Puts jobs that were claimed and not begun back to their old places; how many."""
    moved = 0
    for each in sorted(batch, key=lambda claimed: claimed.job_id):
        move(db, Status.CANCELED, *claims.mine(each), Job.cancel_requested, reason="cancel")
        values = {"tries": 0, "claim_id": None, "started_at": None}
        moved += len(move(db, Status.QUEUED, *claims.mine(each), reason="not_begun", **values))
    return moved
