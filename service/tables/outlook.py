"""Who waits where in the queue, and how fast it goes, at a cost that does not grow with the queue."""

import time
from bisect import bisect_right
from math import inf
from threading import Lock

from sqlalchemy import ColumnElement, Integer, bindparam, func, select, tuple_

from service.tables import forecast, queue
from service.tables.events import Event
from service.tables.forecast import Forecast, Place
from service.tables.functions import database_now
from service.tables.jobs import DONE, IS_QUEUED, Job, Status
from service.tables.plain import Source, execute

NEAR = 500  # places from the head that are counted one by one
EVERY = 250  # places between two milestones
FRESH_SECONDS = 1.0  # what was seen of the queue is used for so long,
IDLE_SECONDS = 0.1  # or for so long where nobody works: whoever begins tells the ends of all,
SHARE = 0.02  # or longer, so that looking takes no greater share of the time;
STALE_SECONDS = 5.0  # but when jobs will end is asked anew then in any case
MARGIN = 1000  # jobs that may join in that time: a queue so far from its bound is not counted again
OWNERS = 1000  # whose queues' lengths are remembered
LOOKED_AT = 500  # ids of the log, from its end
WINDOW_SECONDS = 60.0  # that tell of the speed
UNTOLD_SECONDS = 5.0  # in which no job may have ended,
TINY_JOBS_A_SECOND = 100.0  # and they are taken to be tiny all the same


class Outlook:
    """What one process knows of the queue; for any number of threads.

    Near the head a place is counted. Far from it the count goes from milestone to milestone, places whose
    distance is known from a look a second ago: exact while jobs leave at the head and join behind, and a
    second late about those that join or leave in the middle.
    """

    def __init__(self, slice_seconds: float = inf) -> None:
        self._slice_seconds = slice_seconds
        self.forecast: Forecast | None = None  # the last one
        self._forecast_until = 0.0
        self._lock = Lock()
        self._milestones: tuple[Place, ...] = ()
        self._milestones_until = self._speed_until = 0.0
        self.jobs_a_second = TINY_JOBS_A_SECOND
        self._lengths: dict[str | None, tuple[int, float]] = {}  # by owner, and until when they are fresh

    def waiting(self, db: Source, most: int, owner: str | None = None) -> int:
        """How many jobs wait, of one owner or of all: exact near `most`, else as it was within a second."""
        length, until = self._lengths.get(owner, (most, 0.0))
        if length < most - MARGIN and time.monotonic() < until:
            return length
        length = queue.length(db) if owner is None else queue.length_of(db, owner)
        if len(self._lengths) >= OWNERS:
            self._lengths.clear()
        self._lengths[owner] = length, time.monotonic() + FRESH_SECONDS
        return length

    def foresee(self, db: Source) -> None:
        """Looks anew when jobs will end, where the last look is no longer fresh."""
        began = time.monotonic()
        if began < self._forecast_until:
            return
        self._forecast_until = began + FRESH_SECONDS  # for the other threads
        self.forecast = forecast.look(db, self._slice_seconds, self.forecast)
        took = time.monotonic() - began
        fresh = FRESH_SECONDS if self.forecast.workers else IDLE_SECONDS
        self._forecast_until = began + min(max(fresh, took / SHARE), STALE_SECONDS)

    @property
    def near(self) -> int:
        """How many places a look at a job is to count: most jobs of a queue with milestones are far away."""
        return 0 if self._fresh else NEAR

    def position(self, db: Source, job: Job, counted: int | None = None) -> int | None:
        """Which job from now this one is to be taken: 1 is the next; None for one that is not queued.

        `counted`: how many are ahead of it, where a look has counted them, up to `near`.
        """
        if job.status != Status.QUEUED:
            return None
        self.measure(db)
        place = Place(job.priority, job.turn, job.id)
        ahead = self._by_milestones(db, place, self._milestones) if self._fresh else None
        if ahead is None:
            ahead = _ahead(db, place, NEAR) if counted is None else counted
            if ahead == NEAR:
                ahead = self._far(db, place)
        return ahead + 1

    @property
    def _fresh(self) -> bool:
        return bool(self._milestones) and time.monotonic() < self._milestones_until

    def _far(self, db: Source, place: Place) -> int:
        with self._lock:
            if not self._fresh:
                began = time.monotonic()
                self._milestones = tuple(Place(*row) for row in execute(db, _MILESTONES, {"every": EVERY}))
                took = time.monotonic() - began
                self._milestones_until = began + max(FRESH_SECONDS, took / SHARE)
            milestones = self._milestones
        ahead = self._by_milestones(db, place, milestones)
        return _ahead(db, place, _ALL) if ahead is None else ahead

    def _by_milestones(self, db: Source, place: Place, milestones: tuple[Place, ...]) -> int | None:
        """How many are ahead of a place; None for one that stands before the second milestone to come."""
        last = bisect_right(milestones, place) - 1
        first = 0
        while first < last:
            counts = execute(db, _FROM_HEAD_AND_TO, _ends(milestones[first], milestones[last], place)).one()
            if counts.to_first:
                self._pass(milestones[:first])
                return int(counts.to_first + EVERY * (last - first) + counts.since_last)
            first += 1  # the head has passed it
        return None

    def _pass(self, passed: tuple[Place, ...]) -> None:
        """Forgets milestones that nobody stands before."""
        with self._lock:
            if passed and self._milestones[: len(passed)] == passed:
                self._milestones = self._milestones[len(passed) :]

    def measure(self, db: Source) -> float:
        """How many jobs end in a second, by the last minute; kept as `jobs_a_second` for a second."""
        now = time.monotonic()
        if now >= self._speed_until:
            self.jobs_a_second, self._speed_until = _speed(db), now + FRESH_SECONDS
        return self.jobs_a_second


def _speed(db: Source) -> float:
    """Jobs that ended in a second, by the end of the log."""
    rows = execute(db, _LATELY).all()
    lately = [(row.status, (row.now - row.at).total_seconds()) for row in rows]
    lately = [(status, age) for status, age in lately if age <= WINDOW_SECONDS]
    seconds: float = max([1.0, *(age for _, age in lately)])
    ended = sum(status in DONE for status, _ in lately)
    if not ended and seconds < UNTOLD_SECONDS:
        return TINY_JOBS_A_SECOND
    return max(ended, 1) / seconds


def _ahead(db: Source, place: Place, most: int) -> int:
    """How many jobs are ahead of a place, counted up to `most`."""
    return int(execute(db, _AHEAD, {**place._asdict(), "most": most}).scalar_one())


_ALL = 2**31 - 1
_places = tuple_(Job.priority, Job.turn, Job.id)


def _place(prefix: str = "") -> ColumnElement[tuple[int, int, str]]:
    """The place that the parameters of a statement name."""
    return tuple_(*(bindparam(f"{prefix}{name}") for name in Place._fields))


def _ends(first: Place, last: Place, place: Place) -> dict[str, int | str]:
    named = (("first_", first), ("last_", last), ("", place))
    return {prefix + name: value for prefix, each in named for name, value in each._asdict().items()}


# Built once: to build a statement takes longer than to run it.
_before = select(Job.id).where(IS_QUEUED, _places < _place()).limit(bindparam("most", type_=Integer))
_AHEAD = select(func.count()).select_from(_before.subquery())
_to_first = select(func.count(Job.priority)).where(IS_QUEUED, _places < _place("first_"))
_since_last = select(func.count(Job.priority)).where(
    IS_QUEUED, _places >= _place("last_"), _places < _place()
)
_FROM_HEAD_AND_TO = select(
    _to_first.scalar_subquery().label("to_first"), _since_last.scalar_subquery().label("since_last")
)
_order = (Job.priority, Job.turn, Job.id)
_numbered = select(*_order, func.row_number().over(order_by=_order).label("number")).where(IS_QUEUED)
_each = _numbered.subquery()
_MILESTONES = (
    select(_each.c.priority, _each.c.turn, _each.c.id)
    .where(_each.c.number > 1, _each.c.number % bindparam("every", type_=Integer) == 1)
    .order_by(_each.c.priority, _each.c.turn, _each.c.id)
)
_last = select(func.max(Event.id)).scalar_subquery()
_LATELY = select(Event.status, Event.at, database_now().label("now")).where(Event.id > _last - LOOKED_AT)
