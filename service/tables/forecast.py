"""When the jobs that wait will end: by the work ahead of them, the speed of late, and the workers.

One look serves all who ask in a second; it reads the head of a long queue job by job and sums up the rest.
Work is what a training was reckoned to take when it was posted. How long it really takes is measured: the
pace is how many seconds the jobs that ran lately have trained for a unit of their work, the latest above all,
for what else this machine has to do changes.

Workers take the jobs in the order of the queue, and train each for a slice at most while others wait. So a
short job ends its own time after its start; longer ones share the workers with all the others to the end.
"""

import heapq
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, bindparam, case, func, select

from service.tables import queue
from service.tables.events import Event
from service.tables.jobs import IS_QUEUED, IS_RUNNING, Job
from service.tables.plain import Source, execute

LOOKED_AT = 500  # ids of the log, from its end: their jobs tell the pace
HALF_LIFE_SECONDS = 5.0  # after which a job tells half as much of it
HEAD = 500  # jobs of the queue that are read one by one
REST_SECONDS = 5.0  # and what the others take on average is remembered for so long
JOB_SECONDS = 0.005  # beside the training: claim, data, model
HALF_A_SECOND = 0.5


class Place(NamedTuple):
    """Where a job stands: smaller ones are taken first."""

    priority: int
    turn: int
    id: str


class Waiting(NamedTuple):
    """Jobs of the queue: how many, how long each trains (within a slice, in all), when the first starts."""

    jobs: int
    slice: float
    seconds: float
    starts: float  # from the look


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one look at the queue foretells; all seconds count from `seen_at` of the monotonic clock."""

    seen_at: float
    pace: float | None  # seconds a unit of work; None where nothing was trained lately
    workers: int  # processes that hold a job: while jobs wait, all that there are
    slice_seconds: float
    running: tuple[float, ...]  # seconds left
    places: tuple[Place, ...]  # of the head of the queue,
    head: tuple[Waiting, ...]  # job by job,
    rest: Waiting  # and what is behind it,
    rest_seen_at: float  # summed up then

    def end_of_queued(self, place: Place, seconds: float, ahead: int | None = None) -> float | None:
        """How many seconds from now a job at this place ends that trains so long; None where nothing tells.

        `ahead`, how many are taken before it, tells where it stands behind the head. Those who came since the
        look are taken to be of its own kind.
        """
        if not self.workers or self.pace is None:
            return None
        index = bisect_left(self.places, place)
        if index < len(self.places):
            return self._end(self.head[index].starts, seconds)
        if ahead is None and self.rest.jobs:
            return None
        behind = max(0, (ahead or 0) - len(self.places))
        newcomers = max(0, behind - self.rest.jobs)
        slices = (behind - newcomers) * self.rest.slice + newcomers * min(seconds, self.slice_seconds)
        return self._end(self.rest.starts + slices / self.workers, seconds)

    def end_of_running(self, seconds: float) -> float:
        """How many seconds from now a running job ends that still trains so long."""
        return self._end(0.0, seconds) if self.places else seconds

    def knows_rest(self, now: float, pace: float | None) -> bool:
        """Whether what it says of the jobs behind the head still holds: of late, and with a pace or none."""
        fresh = now - self.rest_seen_at < REST_SECONDS
        return fresh and self.rest.jobs > 0 and (self.pace is None) == (pace is None)

    def _end(self, start: float, seconds: float) -> float:
        age = time.monotonic() - self.seen_at
        alone = max(0.0, start - age) + seconds
        if seconds <= self.slice_seconds:
            return alone
        others = sum(min(left, seconds) for left in self.running)
        others += sum(each.jobs * min(each.seconds, seconds) for each in (*self.head, self.rest))
        return max(alone, others / max(self.workers, 1) - age)


def look(db: Source, slice_seconds: float, before: Forecast | None = None) -> Forecast:
    """Looks at the queue, at what runs, and at the jobs of the end of the log.

    From the look `before` it takes what the jobs behind the head take on average, while that is fresh: to sum
    up ten thousand rows takes longer than all the rest.
    """
    seen_at = time.monotonic()
    pace = _pace(db)
    running = execute(db, _RUNNING).all()
    lefts = [_seconds_left(job, pace) for job in running]
    free: dict[str | None, float] = defaultdict(float)
    for job, left in zip(running, lefts, strict=True):
        free[job.worker] += min(left, slice_seconds)
    head, starts = _head(db, pace or 0.0, slice_seconds, list(free.values()) or [0.0])
    rest, rest_seen_at = Waiting(0, 0.0, 0.0, starts), seen_at
    if len(head) == HEAD and before is not None and before.knows_rest(seen_at, pace):
        rest_seen_at = before.rest_seen_at
        rest = before.rest._replace(jobs=max(queue.length(db) - HEAD, 0), starts=starts)
    elif len(head) == HEAD:
        rest = _rest(db, pace or 0.0, slice_seconds, [*head.values()], starts)
    return Forecast(
        seen_at=seen_at,
        pace=pace,
        workers=len(free),
        slice_seconds=slice_seconds,
        running=tuple(lefts),
        places=tuple(head),
        head=tuple(head.values()),
        rest=rest,
        rest_seen_at=rest_seen_at,
    )


def _pace(db: Source) -> float | None:
    """Seconds that a unit of work takes, each job weighed by when the log last told of it."""
    told = {row.job_id: row.at for row in execute(db, _LATELY)}
    trained = execute(db, _TRAINED, {"ids": [*told]}).all()
    if not trained:
        return None
    newest = max(told[job.id] for job in trained)
    ages = [(newest - told[job.id]).total_seconds() for job in trained]
    weights = [0.5 ** (age / HALF_LIFE_SECONDS) for age in ages]
    seconds = sum(weight * job.seconds for weight, job in zip(weights, trained, strict=True))
    work = sum(weight * job.work for weight, job in zip(weights, trained, strict=True))
    return seconds / work if work else None


def _head(
    db: Source, pace: float, slice_seconds: float, free: list[float]
) -> tuple[dict[Place, Waiting], float]:
    """The head of the queue, each job given to the worker that is `free` first; when the next one is free."""
    heapq.heapify(free)
    head = {}
    for priority, turn, job_id, work in execute(db, _HEAD, {"head": HEAD}):
        seconds = work * pace + JOB_SECONDS
        short = min(seconds, slice_seconds)
        head[Place(priority, turn, job_id)] = Waiting(1, short, seconds, free[0])
        heapq.heapreplace(free, free[0] + short)
    return head, free[0]


def _rest(db: Source, pace: float, slice_seconds: float, head: list[Waiting], starts: float) -> Waiting:
    """What is behind the head: all that waits, less the head."""
    jobs, short, whole = execute(db, _ALL, {"most": slice_seconds / pace if pace else 0.0}).one()
    jobs -= len(head)
    short = short * pace + jobs * JOB_SECONDS - sum(each.slice - JOB_SECONDS for each in head)
    whole = whole * pace + jobs * JOB_SECONDS - sum(each.seconds - JOB_SECONDS for each in head)
    # What left or came between the two statements must not turn the difference over.
    some = max(jobs, 1)
    return Waiting(max(jobs, 0), max(short, 0.0) / some, max(whole, 0.0) / some, starts)


def seconds_left(job: Any, pace: float | None) -> float | None:
    """How long a job still trains: by its own speed, at first by the pace; None where neither is known.

    The pace weighs as much as the first half second: a job's first epochs tell little of the others.
    """
    left = job.epochs - job.epoch
    if job.work and pace:
        known = HALF_A_SECOND / (job.work * pace) * job.epochs
        speed = (job.epoch + known) / (job.seconds + HALF_A_SECOND)
    elif job.epoch:
        speed = job.epoch / max(job.seconds, 1e-9)
    else:
        return None
    return float(left / speed) + (0.0 if job.epoch else JOB_SECONDS)


def _seconds_left(job: Any, pace: float | None) -> float:
    return seconds_left(job, pace) or 0.0


# Built once: to build a statement takes longer than to run it.
_newest = select(func.max(Event.id)).scalar_subquery()
# In the order of the log, by which either database walks it; a job's last event counts.
_LATELY = select(Event.job_id, Event.at).where(Event.id > _newest - LOOKED_AT).order_by(Event.id)
# By their ids, not by a join: PostgreSQL would rather read every job there ever was.
_these = Job.id.in_(bindparam("ids", expanding=True))
_TRAINED = select(Job.id, Job.seconds, (Job.work * Job.epoch / Job.epochs).label("work")).where(
    _these, Job.work > 0, Job.seconds > 0
)
_RUNNING = select(Job.worker, Job.work, Job.epoch, Job.epochs, Job.seconds).where(IS_RUNNING)

_work_left: ColumnElement[float] = func.coalesce(Job.work * (Job.epochs - Job.epoch) / Job.epochs, 0.0)
_most: Any = bindparam("most")
_HEAD = (
    select(Job.priority, Job.turn, Job.id, _work_left)
    .where(IS_QUEUED)
    .order_by(Job.priority, Job.turn, Job.id)
    .limit(bindparam("head", type_=Integer))
)
_ALL = select(
    func.count(Job.priority),
    func.sum(case((_work_left > _most, _most), else_=_work_left)),
    func.sum(_work_left),
).where(IS_QUEUED)
