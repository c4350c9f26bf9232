"""Batch predictions in the worker: interrupted they begin anew, canceled they leave nothing."""

from service.settings import Settings
from service.tables import models, queue, wishes
from service.tables.base import Database
from service.tables.jobs import Job
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.training import Workshop


def ordered(settings: Settings, database: Database) -> tuple[Bench, Workshop, Job]:
    """A batch prediction of a model that a training has just made."""
    workshop, bench = Workshop(settings, database), Bench.open(settings, SharedFlag())
    training = workshop.add()
    work(bench)
    model = workshop.model(training)
    spec = {"model_id": model.id, "format": "csv", "columns": []}
    with database.session() as db:
        job = queue.add(
            db,
            owner="local",
            dataset_id=training.dataset_id,
            spec=spec,
            kind="batch_prediction",
            epochs=100,
            model_id=model.id,
        )
    return bench, workshop, job


def test_a_shutdown_gives_the_job_back_and_leaves_no_half(settings: Settings, database: Database) -> None:
    bench, workshop, job = ordered(settings, database)
    bench.stopping.set()
    work(bench)
    bench.close()
    assert workshop.status(job) == "queued"
    assert list(settings.outputs_dir.iterdir()) == []
    again = Bench.open(settings, SharedFlag())
    work(again)
    again.close()
    assert workshop.status(job) == "succeeded"
    assert len((settings.outputs_dir / job.id).read_text().splitlines()) == 101


def test_a_model_that_is_gone_fails_the_job(settings: Settings, database: Database) -> None:
    bench, workshop, job = ordered(settings, database)
    with database.session() as db:
        models.remove(db, "local", str(job.model_id))
    work(bench)
    bench.close()
    assert workshop.status(job) == "failed"


def test_a_canceled_one_is_not_begun(settings: Settings, database: Database) -> None:
    bench, workshop, job = ordered(settings, database)
    with database.session() as db:
        wishes.request_cancel(db, "local", job.id)
    assert work(bench) is None
    bench.close()
    assert workshop.status(job) == "canceled"
