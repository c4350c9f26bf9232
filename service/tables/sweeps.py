"""The sweeper's side of the jobs: leases that ran out, poison, lost messages. Ten sweepers do no harm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from service.tables import queue
from service.tables.claims import DECLINED
from service.tables.events import Event, EventType
from service.tables.functions import database_now
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job, Status, move


@dataclass(frozen=True, slots=True)
class Swept:
    """The jobs that a sweep has moved."""

    canceled: int
    failed: int
    requeued: int

    @property
    def any(self) -> bool:
        """Says whether there was anything to do."""
        return bool(self.canceled or self.failed or self.requeued)


def end_leases(db: Session, *, max_tries: int) -> Swept:
    """Takes the jobs of silent workers back: canceled where asked for, failed where poison, else queued."""
    silent = (IS_RUNNING, Job.lease_until < database_now())
    return _take_back(db, silent, max_tries=max_tries, reason="lease_lost")


def end_lease_of(db: Session, worker: str, *, max_tries: int) -> Swept:
    """Takes the job of a worker back that is known to be dead, without waiting for its lease."""
    return _take_back(db, (IS_RUNNING, Job.worker == worker), max_tries=max_tries, reason="worker_died")


def _take_back(db: Session, silent: tuple[Any, ...], *, max_tries: int, reason: str) -> Swept:
    # Who holds a row locked writes it just now, or its host is gone in the middle: the others need not wait.
    free = select(Job.id).where(*silent).with_for_update(skip_locked=True)
    which = (Job.id.in_(free.scalar_subquery()), *silent)
    # None of the three takes what is another's: a lease may end, and a cancel come, between two of them.
    goes_on = (*which, Job.cancel_requested.is_(False))
    canceled = move(db, Status.CANCELED, *which, Job.cancel_requested, reason="cancel")
    poison = (*goes_on, Job.tries >= max_tries)
    failed = move(db, Status.FAILED, *poison, reason="worker_lost", error=_poison(max_tries))
    healthy = (*goes_on, Job.tries < max_tries)
    requeued = move(db, Status.QUEUED, *healthy, reason=reason, attempt=Job.attempt + 1)
    return Swept(canceled=len(canceled), failed=len(failed), requeued=len(requeued))


def _poison(tries: int) -> dict[str, str]:
    return {
        "code": "worker_lost",
        "title": "Worker lost",
        "detail": f"the worker died {tries} times in a row on this job, and nothing was kept in between",
        "hint": "Most often the memory did not suffice: try a smaller model, batch or dataset.",
    }


def fail_declined(db: Session, *, patience_seconds: float) -> int:
    """Fails begun jobs that workers declined so long ago and that none has gone on with since; how many."""
    declined, later = aliased(Event), aliased(Event)
    gone_on = exists().where(
        later.job_id == declined.job_id, later.id > declined.id, later.type == EventType.PROGRESS.value
    )
    old = exists().where(
        declined.job_id == Job.id,
        declined.reason == DECLINED,
        declined.at < database_now() - patience_seconds,
        ~gone_on,
    )
    given_up = (IS_QUEUED, Job.numerics.is_not(None), old)
    failed = 0
    for job_id, numerics in db.execute(select(Job.id, Job.numerics).where(*given_up)).all():
        error = _numerics_gone(numerics, patience_seconds)
        # Once more in the move: a worker may have come in between.
        failed += len(move(db, Status.FAILED, Job.id == job_id, IS_QUEUED, reason=error["code"], error=error))
    return failed


def _numerics_gone(numerics: str | None, seconds: float) -> dict[str, str]:
    return {
        "code": "numerics_gone",
        "detail": f"the job was begun with the numerics {numerics}; no worker had them for {seconds:g} s",
        "hint": "Post the job again, or start a worker that has them and resume it.",
    }


def lost_messages(db: Session, *, grace_seconds: float, limit: int) -> tuple[int, Sequence[str]]:
    """How many jobs are queued, and the ids of those whose message may be lost, longest silent first."""
    waiting = queue.length(db)
    if not waiting:
        return 0, []
    order = (func.coalesce(Job.published_at, Job.created_at), Job.id)
    query = select(Job.id).where(IS_QUEUED, _silent(grace_seconds)).order_by(*order).limit(limit)
    return waiting, db.scalars(query).all()


def mark_published(db: Session, ids: Sequence[str], *, grace_seconds: float) -> Sequence[str]:
    """Marks jobs as published now; the ids that no other sweeper has marked meanwhile."""
    statement = (
        update(Job)
        .where(Job.id.in_(ids), IS_QUEUED, _silent(grace_seconds))
        .values(published_at=database_now())
    )
    return db.scalars(statement.returning(Job.id), execution_options={"synchronize_session": False}).all()


def _silent(grace_seconds: float) -> Any:
    since = database_now() - grace_seconds
    # A row that was given back (claim > 0) has no message but the one its worker may have sent.
    fresh = Job.published_at.is_(None) & or_(Job.claim > 0, Job.created_at < since)
    return or_(fresh, Job.published_at < since)


def holders(db: Session) -> list[str]:
    """The workers that hold a lease now."""
    return [worker for worker in db.scalars(select(Job.worker).where(IS_RUNNING)) if worker is not None]


def claims_since(db: Session, cursor: int) -> tuple[int, bool]:
    """The newest cursor of the log of moves, and whether any worker has taken a job since the one given."""
    newest = db.scalar(select(func.max(Event.id))) or 0
    taken = select(Event.id).where(Event.id > cursor, Event.status == Status.RUNNING).limit(1)
    return newest, db.scalar(taken) is not None
