"""When jobs that wait will end: by the work ahead of them, the speed of late and the workers."""

import time
from itertools import count

import pytest
from sqlalchemy import update

from service.tables import claims, forecast
from service.tables.base import Database
from service.tables.events import Event
from service.tables.forecast import JOB_SECONDS, Forecast, Place
from service.tables.functions import database_now
from service.tables.jobs import Job
from tests.service.tables.rows import MODEL, add_job, must_claim, progress

PACE = 2.0  # seconds a unit of work, as `_train_one` shows
SLICE = 30.0
_workers = count()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock says; it stands until a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _train_one(database: Database, work: float = 0.5, epoch: int = 10) -> None:
    """A job that is done: `epoch` of its 10 epochs took a tenth of a second each."""
    add_job(database, priority="high", work=work)
    claimed = must_claim(database, f"done {next(_workers)}")
    with database.session() as db:
        claims.succeed(db, claimed, progress(epoch), model=MODEL)


def _run(database: Database, *works: float) -> None:
    """As many workers, each of which has just begun a job."""
    for work in works:
        add_job(database, priority="high", work=work)
        must_claim(database, f"worker {next(_workers)}")


def _look(database: Database) -> Forecast:
    with database.reading() as db:
        return forecast.look(db, SLICE)


def _place(job: Job) -> Place:
    return Place(job.priority, job.turn, job.id)


def _ends(database: Database, queued: list[Job]) -> list[float | None]:
    seen = _look(database)
    lefts = [forecast.seconds_left(job, seen.pace) for job in queued]
    return [
        None if left is None else seen.end_of_queued(_place(job), left, ahead)
        for ahead, (job, left) in enumerate(zip(queued, lefts, strict=True))
    ]


def test_jobs_of_one_length_end_in_pairs_where_two_workers_are(database: Database) -> None:
    _train_one(database)
    _run(database, 5.0, 5.0)
    queued = [add_job(database, work=5.0) for _ in range(5)]
    assert _ends(database, queued) == pytest.approx([20, 20, 30, 30, 40], abs=10 * JOB_SECONDS)


def test_lengths_that_differ_are_dealt_to_whoever_is_free_first(database: Database) -> None:
    _train_one(database)
    _run(database, 1.0, 4.0)  # 2 and 8 seconds
    queued = [add_job(database, work=work) for work in (5.0, 1.0, 2.0)]
    assert _ends(database, queued) == pytest.approx([12, 10, 14], abs=10 * JOB_SECONDS)


def test_nothing_is_told_where_nobody_works_or_nothing_was_trained(database: Database) -> None:
    queued = [add_job(database, work=1.0)]
    assert _ends(database, queued) == [None]
    _train_one(database)
    assert _ends(database, queued) == [None]
    _run(database, 1.0)
    assert _ends(database, queued) == pytest.approx([4], abs=10 * JOB_SECONDS)
    assert _ends(database, [add_job(database)]) == [None]  # no training, or one of an older version


def test_speed_is_that_of_the_epochs_that_were_trained(database: Database) -> None:
    _train_one(database, work=1.0, epoch=5)  # half of its work in half a second
    assert _look(database).pace == pytest.approx(1.0)


def test_the_speed_of_a_minute_ago_counts_little(database: Database) -> None:
    _train_one(database, work=0.25)  # 4 seconds a unit
    with database.session() as db:
        db.execute(update(Event).values(at=database_now() - 60))
    _train_one(database, work=1.0)  # 1 second
    assert _look(database).pace == pytest.approx(1.0, rel=0.01)


def test_an_old_speed_is_better_than_none(database: Database) -> None:
    _train_one(database)
    with database.session() as db:
        db.execute(update(Event).values(at=database_now() - 86_400))
    add_job(database, work=1.0)
    assert _look(database).pace == pytest.approx(PACE)


def test_a_short_job_waits_a_slice_for_one_that_takes_hours(database: Database) -> None:
    _train_one(database)
    _run(database, 5000.0)
    queued = [add_job(database, work=work) for work in (5000.0, 0.5)]
    assert _ends(database, queued)[1] == pytest.approx(2 * SLICE + 1, abs=10 * JOB_SECONDS)


def test_long_jobs_share_the_workers_and_end_together(database: Database) -> None:
    _train_one(database)
    _run(database, 50.0, 50.0)  # 100 seconds each
    queued = [add_job(database, work=50.0) for _ in range(2)]
    assert _ends(database, queued) == pytest.approx([200, 200], abs=1)
    assert _look(database).end_of_running(100.0) == pytest.approx(200, abs=1)
    assert _look(database).end_of_running(10.0) == 10


def test_a_job_goes_on_at_its_own_speed(database: Database) -> None:
    _train_one(database)
    job = add_job(database, work=10.0)
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(epoch=4, seconds=12.0))
        job = db.get_one(Job, job.id)
        assert forecast.seconds_left(job, None) == pytest.approx(18)
        assert forecast.seconds_left(job, PACE) == pytest.approx(18, rel=0.03)  # a little by that of others


def test_a_slow_first_epoch_alarms_nobody(database: Database) -> None:
    job = add_job(database, work=0.5)
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(epoch=1, epochs=10_000, seconds=0.2))
        job = db.get_one(Job, job.id)
        assert forecast.seconds_left(job, None) == pytest.approx(2000, rel=0.01)
        assert forecast.seconds_left(job, PACE) == pytest.approx(1.4, rel=0.01)


def test_the_end_comes_nearer_between_two_looks(database: Database, clock: list[float]) -> None:
    _train_one(database)
    _run(database, 5.0)
    job, seen = add_job(database, work=5.0), _look(database)
    assert seen.end_of_queued(_place(job), 10.0) == pytest.approx(20, abs=10 * JOB_SECONDS)
    clock[0] += 3
    assert seen.end_of_queued(_place(job), 10.0) == pytest.approx(17, abs=10 * JOB_SECONDS)


def test_those_who_came_since_the_look_count_as_jobs_like_this_one(database: Database) -> None:
    _train_one(database)
    _run(database, 5.0)
    for _ in range(2):
        add_job(database, work=5.0)
    seen, job = _look(database), add_job(database, work=5.0)
    ends = [seen.end_of_queued(_place(job), 10.0, ahead) for ahead in (None, 2, 3, 5)]
    assert ends == pytest.approx([40, 40, 50, 70], abs=10 * JOB_SECONDS)


def test_behind_the_head_the_end_is_told_by_how_many_are_ahead(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "HEAD", 5)
    _train_one(database)
    _run(database, 0.5, 0.5)
    queued = [add_job(database, work=0.5) for _ in range(60)]  # a second each
    for number, end in enumerate(_ends(database, queued)):
        assert end == pytest.approx(2 + number / 2, abs=0.6 + number * JOB_SECONDS)
    seen = _look(database)
    assert len(seen.places) == 5
    assert seen.end_of_queued(_place(queued[40]), 1.0) is None  # where it stands is not known
    assert seen.end_of_running(100.0) == pytest.approx(100.0, abs=1)
    assert seen.end_of_running(20.0) == 20.0


def test_what_the_jobs_behind_the_head_take_is_remembered_for_seconds(
    database: Database, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(forecast, "HEAD", 2)
    for _ in range(4):
        add_job(database, work=1.0)
    without_pace = _look(database)
    _train_one(database)
    with database.reading() as db:
        first = forecast.look(db, SLICE, without_pace)
    assert first.rest.jobs == 2
    assert first.rest.seconds == pytest.approx(PACE + JOB_SECONDS)
    add_job(database, work=10.0)
    with database.reading() as db:
        second = forecast.look(db, SLICE, first)
        clock[0] += forecast.REST_SECONDS
        third = forecast.look(db, SLICE, second)
    assert second.rest == first.rest._replace(jobs=3)
    assert third.rest.jobs == 3
    assert third.rest.seconds == pytest.approx(4 * PACE + JOB_SECONDS)
    assert (first.rest_seen_at, second.rest_seen_at, third.rest_seen_at) == (1000.0, 1000.0, clock[0])
