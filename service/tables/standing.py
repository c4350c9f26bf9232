"""How a job stands: all that one look at it tells, in one statement, for to ask costs more than to find."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Integer, String, bindparam, case, func, literal_column, select, tuple_
from sqlalchemy.orm import aliased

from service.tables import events
from service.tables.events import Event, Move
from service.tables.functions import database_now
from service.tables.jobs import IS_QUEUED, JOB, Job, Status
from service.tables.plain import Source, execute


class Silence(NamedTuple):
    """How many seconds ago a running job's worker was heard of, by the database's clock."""

    of_life: float  # that it lives
    of_progress: float  # how far it is


class Standing(NamedTuple):
    """A job and what other rows tell of it."""

    job: Job
    moves: Sequence[Move]  # oldest first
    silence: Silence | None  # None unless it is running
    ahead: int | None  # how many are taken before it, up to what was counted; None unless it is queued


def look(db: Source, owner: str, job_id: str, *, count_up_to: int) -> Standing | None:
    """How the owner's job stands now; None where there is no such job."""
    this = {"job_id": job_id, "owner": owner, "most": count_up_to}
    row = execute(db, _LOOK, this).one_or_none()
    if row is None:
        return None
    *values, moves, now, told_at, ahead = row
    job = JOB.made_of(values)
    return Standing(job, events.as_moves(moves), _silence(job, now, told_at), ahead if count_up_to else None)


def _silence(job: Job, now: datetime, told_at: datetime | None) -> Silence | None:
    if job.status != Status.RUNNING or job.heartbeat_at is None:
        return None
    return Silence(*(max(0.0, (now - at).total_seconds()) for at in (job.heartbeat_at, told_at or now)))


_told_at = select(Event.at).where(Event.job_id == bindparam("job_id")).order_by(Event.id.desc()).limit(1)
_other = aliased(Job)
_zero = literal_column("0", Integer)
_nothing = literal_column("''", String)
# Values, no columns: those SQLite compares by rules of their types, and then uses no index for their order.
_place = tuple_(Job.priority + _zero, Job.turn + _zero, Job.id + _nothing)
_is_ahead = tuple_(_other.priority, _other.turn, _other.id) < _place
_queued_ahead = select(_other.id).where(_other.status == literal_column("'queued'"), _is_ahead)
_counted = _queued_ahead.correlate(Job).limit(bindparam("most", type_=Integer)).subquery()
_ahead = select(func.count()).select_from(_counted)
_LOOK = select(
    *JOB.columns,
    events.MOVES,
    database_now(),
    _told_at.scalar_subquery(),
    case((IS_QUEUED, _ahead.scalar_subquery())),
).where(Job.id == bindparam("job_id"), Job.owner == bindparam("owner"))
