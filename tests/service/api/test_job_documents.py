"""When a look at a job is worth it, and how long it still takes."""

import time
from typing import Any

import pytest

from service.api.job_documents import eta_seconds, progress, wait_seconds
from service.tables.forecast import Forecast, Place, Waiting
from service.tables.jobs import Job, Status


def _job(**values: Any) -> Job:
    known = {"status": Status.RUNNING, "epoch": 0, "epochs": 100, "seconds": 0.0, "spec": {"training": {}}}
    return Job(**{**known, **values})


def test_the_time_left_follows_from_the_speed_so_far() -> None:
    assert eta_seconds(_job()) is None
    assert eta_seconds(_job(epoch=25, seconds=5.0)) == pytest.approx(15)
    assert progress(_job(epoch=25, seconds=5.0))["fraction"] == 0.25
    assert eta_seconds(_job(epoch=100, seconds=5.0, status=Status.SUCCEEDED)) is None


def test_the_time_left_goes_on_while_the_worker_is_silent() -> None:
    job = _job(epoch=25, seconds=5.0)
    assert [eta_seconds(job, since) for since in (1.0, 60.0)] == pytest.approx([14, 0])


def test_a_deadline_ends_the_time_left() -> None:
    spec = {"training": {"max_seconds": 8}}
    assert eta_seconds(_job(epoch=25, seconds=5.0, spec=spec)) == pytest.approx(3)
    assert eta_seconds(_job(epoch=25, seconds=9.0, spec=spec)) == 0


def test_a_job_without_a_training_has_no_deadline() -> None:
    assert eta_seconds(_job(epoch=50, seconds=1.0, spec={"model_id": "mdl_1"})) == pytest.approx(1)


FORECAST = Forecast(
    seen_at=0.0,
    pace=2.0,
    workers=1,
    slice_seconds=30.0,
    running=(4.0,),
    places=(Place(1, 5, "job_a"),),
    head=(Waiting(jobs=1, slice=6.0, seconds=6.0, starts=4.0),),
    rest=Waiting(jobs=0, slice=0.0, seconds=0.0, starts=10.0),
    rest_seen_at=0.0,
)


@pytest.fixture
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time has passed since the forecast."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)


@pytest.mark.usefixtures("_now")
def test_a_job_that_waits_is_told_when_it_ends_by_the_work_ahead_of_it() -> None:
    facts = {"status": Status.QUEUED, "priority": 1, "turn": 6, "id": "job_b", "work": 5.0}
    told = eta_seconds(_job(**facts), forecast=FORECAST)
    assert told == pytest.approx(4 + 6 + 10, abs=0.1)
    assert eta_seconds(_job(**facts), forecast=FORECAST, position=4) == pytest.approx(40, abs=0.1)
    assert eta_seconds(_job(**facts)) is None  # nobody has looked
    assert eta_seconds(_job(**{**facts, "work": None}), forecast=FORECAST) is None
    begun = {**facts, "epoch": 50, "seconds": 3.0}
    assert eta_seconds(_job(**begun), forecast=FORECAST) == pytest.approx(4 + 6 + 3, rel=0.1)
    bounded = {**begun, "spec": {"training": {"max_seconds": 4}}}
    assert eta_seconds(_job(**bounded), forecast=FORECAST) == pytest.approx(4 + 6 + 1, abs=0.1)


@pytest.mark.usefixtures("_now")
def test_before_its_first_epoch_a_job_has_the_speed_of_others() -> None:
    assert eta_seconds(_job(work=5.0), forecast=FORECAST) == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    ("values", "position", "seconds"),
    [
        ({}, None, 1),
        ({"status": Status.QUEUED}, 1, 1),
        ({"status": Status.QUEUED}, 250, 5),
        ({"status": Status.QUEUED}, 100_000, 10),
        ({"epoch": 50, "seconds": 0.1}, None, 1),
        ({"epoch": 50, "seconds": 6.0}, None, 3),
        ({"epoch": 1, "seconds": 60.0}, None, 10),
    ],
)
def test_a_look_is_worth_it_at_its_turn_or_after_half_the_time_that_the_job_needs(
    values: dict[str, Any], position: int | None, seconds: int
) -> None:
    document = {"progress": progress(_job(**values)), "queue_position": position}
    assert wait_seconds(document, jobs_a_second=50, most=10, waited=60) == seconds


@pytest.mark.parametrize(
    ("position", "waited", "seconds"), [(1, 0.0, 1), (10, 3.0, 3), (1, 60.0, 10), (11, 0.0, 10)]
)
def test_who_has_just_come_to_the_head_of_a_queue_looks_soon(
    position: int, waited: float, seconds: int
) -> None:
    document = {"progress": progress(_job(status=Status.QUEUED)), "queue_position": position}
    assert wait_seconds(document, jobs_a_second=1 / 60, most=10, waited=waited) == seconds
