"""Who waits for whom, with a real worker that trains one job at a time."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from service.tables import queue
from service.tables.jobs import Job, Priority
from service.worker.work import MOST_TOGETHER
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


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_one_owners_many_jobs_do_not_starve_anothers_one(
    start: Start, workshop: Workshop, count: int
) -> None:
    spec = workshop.add().spec
    facts: dict[str, dict[str, Any]] = {
        owner: {"owner": owner, "dataset_id": workshop.dataset(owner).id, "spec": spec}
        for owner in ("many", "few")
    }
    with workshop.database.session() as db:
        many = [queue.add(db, **facts["many"]).id for _ in range(count)]
    start("worker", **SHORT)
    eventually(lambda: _waiting(workshop, many) < count - 10, what="the worker is in the middle of the many")
    with workshop.database.session() as db:
        few = queue.add(db, **facts["few"])
        before = len(many) - _waiting(workshop, many)
    eventually(lambda: workshop.job(few).status == "succeeded", seconds=60)
    started = workshop.job(few).started_at
    with workshop.database.reading() as db:
        served = select(func.count()).select_from(Job).where(Job.owner == "many", Job.started_at < started)
        # Those it had claimed together already, and as many again that it may claim with the one.
        assert (db.scalar(served) or 0) - before <= 2 * MOST_TOGETHER
    eventually(lambda: not _waiting(workshop, many), seconds=120)


def _waiting(workshop: Workshop, ids: list[str]) -> int:
    with workshop.database.reading() as db:
        query = select(func.count()).select_from(Job).where(Job.id.in_(ids), Job.status == "queued")
        return db.scalar(query) or 0


def test_many_owners_are_served_in_turn(start: Start, workshop: Workshop) -> None:
    spec = workshop.add().spec
    ids = {owner: workshop.dataset(owner).id for owner in ("a", "b", "c")}
    with workshop.database.session() as db:
        jobs = [
            queue.add(db, owner=owner, dataset_id=dataset, spec=spec)
            for owner, dataset in ids.items()
            for _ in range(4)
        ]
    start("worker", **SHORT, max_tries=1)  # one claim a job, so that the order shows
    eventually(lambda: _all_done(workshop, jobs), seconds=60)
    owners = {job.id: job.owner for job in jobs}
    order = [owners[each] for each in _started(workshop, jobs)]
    assert [sorted(order[turn : turn + 3]) for turn in range(0, 12, 3)] == [["a", "b", "c"]] * 4
