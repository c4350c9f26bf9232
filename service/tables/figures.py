"""The jobs in numbers, for those who watch the service: nobody's names, nobody's data."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.tables.functions import database_now
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job, Priority, Status


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of jobs, and ages in seconds by the database's clock; an age of what is not there is 0."""

    jobs: dict[str, int]  # by status
    queued: dict[str, int]  # by priority
    queue_age_seconds: float  # of the job that waits longest for its first worker
    heartbeat_age_seconds: float  # the longest silence about a running job

    @property
    def queue_depth(self) -> int:
        """How many jobs wait."""
        return sum(self.queued.values())


def read(db: Session) -> Figures:
    """All figures of one moment."""
    by_status = select(Job.status, func.count()).group_by(Job.status)
    counts = {row.status: row[1] for row in db.execute(by_status)}
    # Of what the partial indexes hold: else SQLite walks through every job there ever was.
    waiting = db.execute(
        select(Job.priority, func.count(Job.priority)).where(IS_QUEUED).group_by(Job.priority)
    )
    queued = {Priority(rank).name.lower(): count for rank, count in waiting}
    # A job that was begun and given back counts no more: its turn comes round, and it may be hours old.
    oldest = select(func.min(Job.created_at)).where(IS_QUEUED, Job.claim == 0).scalar_subquery()
    silent = select(func.min(Job.heartbeat_at)).where(IS_RUNNING).scalar_subquery()
    now, waits_since, silent_since = db.execute(select(database_now(), oldest, silent)).one()
    return Figures(
        jobs={status.value: counts.get(status.value, 0) for status in Status},
        queued={priority.name.lower(): queued.get(priority.name.lower(), 0) for priority in Priority},
        queue_age_seconds=_age(now, waits_since),
        heartbeat_age_seconds=_age(now, silent_since),
    )


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
