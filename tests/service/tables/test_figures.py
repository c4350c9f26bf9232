"""The jobs in numbers, on both databases."""

from sqlalchemy import update

from service.tables import claims, figures, jobs
from service.tables.base import Database
from service.tables.functions import database_now
from service.tables.jobs import Job
from tests.training import SEED_JOB, Workshop


def _read(database: Database) -> figures.Figures:
    with database.reading() as db:
        return figures.read(db)


def test_an_empty_house_has_zeros_and_no_gaps(database: Database) -> None:
    found = _read(database)
    assert found.jobs == {"queued": 0, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0}
    assert found.queued == {"high": 0, "normal": 0, "low": 0}
    assert (found.queue_depth, found.queue_age_seconds, found.heartbeat_age_seconds) == (0, 0, 0)


def test_jobs_are_counted_by_status_and_priority_and_aged_by_the_databases_clock(
    workshop: Workshop, database: Database
) -> None:
    for _ in range(3):
        workshop.add(SEED_JOB)
    with database.session() as db:
        first = claims.claim_next(db, "w", claim_id="c", lease_seconds=60)
        assert first is not None
        db.execute(update(Job).where(Job.id == first.job_id).values(heartbeat_at=database_now() - 7))
        waiting = update(Job).where(jobs.IS_QUEUED)
        db.execute(waiting.values(created_at=database_now() - 100, priority=jobs.Priority.LOW))
    found = _read(database)
    assert (found.jobs["queued"], found.jobs["running"]) == (2, 1)
    assert (found.queued, found.queue_depth) == ({"high": 0, "normal": 0, "low": 2}, 2)
    assert 100 <= found.queue_age_seconds < 130
    assert 7 <= found.heartbeat_age_seconds < 37


def test_a_job_that_was_begun_does_not_make_the_queue_old(workshop: Workshop, database: Database) -> None:
    workshop.add(SEED_JOB)
    with database.session() as db:
        claimed = claims.claim_next(db, "w", claim_id="c", lease_seconds=60)
        assert claimed is not None
        claims.release(db, claimed, reason="slice")
        db.execute(update(Job).values(created_at=database_now() - 100))
    found = _read(database)
    assert (found.queue_depth, found.queue_age_seconds) == (1, 0)
