"""What is forgotten, and what is not, on both databases."""

import os
import time

import pytest
from sqlalchemy import func, select, update

from service.operations.prune import run
from service.settings import Settings
from service.tables import events
from service.tables.base import Database
from service.tables.functions import database_now
from service.tables.history import Checkpoint
from service.tables.jobs import Job, Status
from service.tables.snapshots import SnapshotRow
from service.worker.bench import Bench
from service.worker.work import work
from tests.training import LONG_JOB, SEED_JOB, Workshop


def age(database: Database, job: Job, days: float) -> None:
    """Lets a job have ended so long ago."""
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(finished_at=database_now() - days * 86_400))


def rows(database: Database, table: type) -> int:
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def old(workshop: Workshop, bench: Bench, database: Database) -> Job:
    """A job that succeeded 40 days ago, with all that a training leaves."""
    job = workshop.add(SEED_JOB)
    assert work(bench)
    with database.session() as db:
        events.log_progress(db, job.id, 1, 21, {"epoch": 21})
        db.add(Checkpoint(job_id=job.id, epoch=21, claim=1, sha256="", data=b"state"))
    age(database, job, 40)
    return job


def test_a_dry_run_counts_and_changes_nothing(settings: Settings, database: Database, old: Job) -> None:
    counted = run(settings, days=30, with_jobs=True, dry=True)
    assert counted["checkpoints of jobs that succeeded"] >= 1
    assert counted["progress events of old jobs"] >= 1
    assert counted["old jobs that are done, with all that hangs on them but their models"] == 1
    assert counted["bytes that no dataset uses"] == 0
    assert rows(database, Checkpoint) >= 1
    assert rows(database, Job) == 1


def test_an_old_job_keeps_its_curve_its_moves_and_its_model(
    settings: Settings, database: Database, workshop: Workshop, old: Job
) -> None:
    model, history = workshop.model(old).sha256, workshop.rows(old)
    removed = run(settings, days=30, with_jobs=False, dry=False)
    assert removed["progress events of old jobs"] >= 1
    assert (rows(database, Checkpoint), rows(database, SnapshotRow)) == (0, 0)
    assert (workshop.model(old).sha256, workshop.rows(old)) == (model, history)
    with database.reading() as db:
        assert [each.status for each in events.moves(db, old.id)] == ["queued", "running", "succeeded"]
    assert not any(run(settings, days=30, with_jobs=False, dry=False).values())


def test_with_jobs_the_model_stays(
    settings: Settings, database: Database, workshop: Workshop, old: Job
) -> None:
    model = workshop.model(old)
    run(settings, days=30, with_jobs=True, dry=False)
    assert rows(database, Job) == 0
    with database.reading() as db:
        assert db.get(type(model), model.id) is not None


def test_what_is_young_or_not_done_stays(settings: Settings, database: Database, workshop: Workshop) -> None:
    waiting, canceled = workshop.add(LONG_JOB), workshop.add(LONG_JOB)
    with database.session() as db:
        for job in (waiting, canceled):
            db.add(Checkpoint(job_id=job.id, epoch=1, claim=1, sha256="", data=b"state"))
        db.execute(update(Job).where(Job.id == canceled.id).values(status=Status.CANCELED))
    age(database, canceled, 10)
    run(settings, days=30, with_jobs=True, dry=False)
    assert rows(database, Checkpoint) == 2  # a canceled job may still be resumed
    age(database, canceled, 31)
    run(settings, days=30, with_jobs=False, dry=False)
    assert rows(database, Checkpoint) == 1
    assert workshop.status(waiting) == Status.QUEUED


def test_outputs_of_jobs_that_are_gone_go_after_a_day(settings: Settings, workshop: Workshop) -> None:
    job = workshop.add(SEED_JOB)
    settings.outputs_dir.mkdir(parents=True, exist_ok=True)
    for name in (job.id, "job_gone", "job_young"):
        (settings.outputs_dir / name).write_bytes(b"rows")
    two_days_ago = time.time() - 2 * 86_400
    for name in (job.id, "job_gone"):
        os.utime(settings.outputs_dir / name, (two_days_ago, two_days_ago))
    assert run(settings, days=30, with_jobs=False, dry=True)["outputs of jobs that are gone"] == 1
    run(settings, days=30, with_jobs=False, dry=False)
    assert sorted(each.name for each in settings.outputs_dir.iterdir()) == sorted([job.id, "job_young"])


def test_more_rows_than_one_transaction_takes_go_too(
    settings: Settings, database: Database, old: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tables.retention.ROWS_AT_ONCE", 2)
    with database.session() as db:
        for epoch in range(1, 8):
            db.add(Checkpoint(job_id=old.id, epoch=100 + epoch, claim=1, sha256="", data=b"state"))
    removed = run(settings, days=30, with_jobs=False, dry=False)
    assert removed["checkpoints of jobs that succeeded"] >= 8
