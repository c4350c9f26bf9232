"""Who waits for whom, with a real worker that trains one job at a time."""

import pytest
from sqlalchemy import update

from service.tables.jobs import Job, Priority
from tests.servers import eventually
from tests.system.conftest import Start
from tests.training import LONG_JOB, Workshop

pytestmark = pytest.mark.system
SHORT = {"slice_seconds": 0.3, "chunk_seconds": 0.05, "progress_seconds": 0.1, "concurrency": 1}


def _change(workshop: Workshop, job: Job, **values: object) -> None:
    with workshop.database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(**values))


def _started(workshop: Workshop, jobs: list[Job]) -> list[str]:
    """The jobs' ids in the order in which the worker took them."""
    rows = [workshop.job(job) for job in jobs]
    return [row.id for row in sorted(rows, key=lambda row: row.started_at.timestamp())]  # type: ignore[union-attr]  # all were


def _all_done(workshop: Workshop, jobs: list[Job]) -> bool:
    return all(workshop.job(job).status == "succeeded" for job in jobs)


def test_a_long_job_does_not_hold_up_tiny_ones(start: Start, workshop: Workshop) -> None:
    long = workshop.add(LONG_JOB)
    start("worker", **SHORT)
    eventually(lambda: workshop.has_begun(long))
    tiny = [workshop.add() for _ in range(3)]
    eventually(lambda: _all_done(workshop, tiny))
    assert not workshop.job(long).done
    assert workshop.job(long).attempt == 1


def test_what_matters_more_goes_first(start: Start, workshop: Workshop) -> None:
    low, normal, high = workshop.add(), workshop.add(), workshop.add()
    _change(workshop, low, priority=Priority.LOW)
    _change(workshop, high, priority=Priority.HIGH)
    start("worker", **SHORT, max_tries=1)  # one claim a job, so that the order shows
    eventually(lambda: _all_done(workshop, [low, normal, high]))
    assert _started(workshop, [low, normal, high]) == [high.id, normal.id, low.id]
