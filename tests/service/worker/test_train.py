"""One claim on a job: what a worker makes of it, whatever comes between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from engine.training.history import HistoryBlock
from engine.training.model import TrainedModel
from service.tables import claims, history, jobs, models
from service.tables.base import Database
from service.tables.history import Checkpoint
from service.tables.jobs import Job
from service.tables.models import Model
from service.worker.bench import Bench
from service.worker.train import work
from tests.servers import eventually
from tests.service.worker.conftest import LONG_JOB, AddJob


def _job(database: Database, job: Job) -> Job:
    with database.reading() as db:
        return db.get_one(Job, job.id)


def _model_of(database: Database, job: Job) -> Model:
    with database.reading() as db:
        model = models.find(db, "local", str(db.get_one(Job, job.id).model_id))
    assert model is not None
    return model


def _rows(database: Database, job: Job) -> list[dict[str, Any]]:
    with database.reading() as db:
        blocks = [HistoryBlock.from_bytes(each.data) for each in history.read(db, job.id)]
    return [row for block in blocks for row in block.rows()]


@contextmanager
def _at_work(bench: Bench) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work, args=(bench,))
    thread.start()
    try:
        yield thread
    finally:
        bench.stopping.set()
        thread.join(20)
        assert not thread.is_alive()


def _begun(database: Database, job: Job) -> bool:
    return _job(database, job).epoch > 0


def test_the_seeds_job_gives_the_seeds_numbers(bench: Bench, add_job: AddJob, database: Database) -> None:
    job = add_job()
    assert work(bench) == job.id
    assert work(bench) is None
    done = _job(database, job)
    assert (done.status, done.epoch, done.error) == ("succeeded", 21, None)
    rows = _rows(database, job)
    assert [row["epoch"] for row in rows] == list(range(1, 22))
    losses = [rows[index]["train_loss"] for index in (0, 10, 20)]
    wanted = [0.7732538183378128, 0.21790039451868812, 0.17946586268211423]
    assert losses == pytest.approx(wanted, abs=1e-12)
    assert done.latest == rows[-1]
    model = _model_of(database, job)
    assert (model.name, model.version, model.parameter_count) == ("moons", 1, 337)
    with database.reading() as db:
        data = models.parameters(db, model.id)
    assert data is not None
    assert TrainedModel.from_bytes(data).sha256 == model.sha256


def test_a_job_in_many_slices_gives_the_same_bits(
    open_bench: Callable[..., Bench], add_job: AddJob, database: Database
) -> None:
    straight = add_job(epochs=3000)
    work(open_bench())
    sliced, other = add_job(epochs=3000), add_job(epochs=3000)
    bench = open_bench(slice_seconds=0.05, chunk_seconds=0.01, progress_seconds=0.02)
    while work(bench):
        pass
    claims_needed = _job(database, sliced).claim
    assert claims_needed > 1
    assert _job(database, sliced).attempt == 1
    digests = {_model_of(database, each).sha256 for each in (straight, sliced, other)}
    assert len(digests) == 1
    assert _rows(database, sliced) == _rows(database, straight)


def test_a_worker_told_to_stop_saves_and_gives_the_job_back(
    open_bench: Callable[..., Bench], add_job: AddJob, database: Database
) -> None:
    job = add_job(LONG_JOB)
    bench = open_bench()
    with _at_work(bench):
        eventually(lambda: _begun(database, job))
    given_back = _job(database, job)
    assert (given_back.status, given_back.attempt, given_back.tries) == ("queued", 1, 0)
    with database.reading() as db:
        saved = history.sound_checkpoint(db, job.id)
    assert saved is not None
    assert saved[0] == given_back.epoch == len(_rows(database, job))
    assert bench.broker.depth() == 1


def test_a_cancel_is_seen_in_the_middle_and_keeps_the_history(
    bench: Bench, add_job: AddJob, database: Database
) -> None:
    job = add_job(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: _begun(database, job))
        with database.session() as db:
            jobs.request_cancel(db, "local", job.id)
        eventually(lambda: _job(database, job).status == "canceled", seconds=2)
    assert len(_rows(database, job)) == _job(database, job).epoch > 0


def test_a_stop_ends_early_and_keeps_the_model(bench: Bench, add_job: AddJob, database: Database) -> None:
    job = add_job(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: _begun(database, job))
        with database.session() as db:
            db.execute(update(Job).where(Job.id == job.id).values(stop_requested=True))
        eventually(lambda: _job(database, job).status == "succeeded", seconds=5)
    assert 0 < _job(database, job).epoch < 1_000_000
    assert _model_of(database, job).sha256


def test_a_worker_whose_job_was_taken_writes_nothing_more(
    bench: Bench, add_job: AddJob, database: Database
) -> None:
    job = add_job(LONG_JOB)
    with _at_work(bench) as thread:
        eventually(lambda: _begun(database, job))
        with database.session() as db:
            db.execute(update(Job).where(Job.id == job.id).values(claim=Job.claim + 1))
        thread.join(10)
        epoch = _job(database, job).epoch
    assert _job(database, job).epoch == epoch
    assert _job(database, job).status == "running"


def test_the_heart_keeps_a_lease_while_one_chunk_takes_longer(
    open_bench: Callable[..., Bench], add_job: AddJob, database: Database
) -> None:
    job = add_job()
    bench = open_bench(lease_seconds=0.5)
    with database.session() as db:
        claimed = claims.claim_next(db, bench.name, claim_id="c", lease_seconds=0.5)
    assert claimed is not None
    before = _job(database, job).lease_until
    assert before is not None
    bench.heart.begin(claimed)
    eventually(lambda: (_job(database, job).lease_until or before) > before)
    bench.heart.end()


def test_a_loss_that_leaves_the_numbers_fails_the_job_with_its_epoch(
    bench: Bench, add_job: AddJob, database: Database
) -> None:
    job = add_job(
        {**LONG_JOB, "model": {}, "loss": "squared_hinge", "optimizer": {"name": "sgd", "learning_rate": 10}},
        epochs=5000,
    )
    work(bench)
    failed = _job(database, job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "diverged"
    assert failed.error["epoch"] == len(_rows(database, job)) + 1


def test_a_job_whose_data_is_gone_fails_with_that_reason(
    bench: Bench, add_job: AddJob, database: Database, dataset_file: Callable[[], Path]
) -> None:
    job = add_job()
    dataset_file().unlink()
    work(bench)
    error = _job(database, job).error
    assert error is not None
    assert error["code"] == "dataset_unreadable"


def test_a_damaged_checkpoint_costs_epochs_but_no_bits(
    open_bench: Callable[..., Bench], add_job: AddJob, database: Database
) -> None:
    straight = add_job(epochs=4000)
    work(open_bench())
    job = add_job(epochs=4000)
    bench = open_bench(chunk_seconds=0.01, progress_seconds=0.02, first_progress_seconds=0.01)
    with _at_work(bench):
        eventually(lambda: _job(database, job).epoch > 1000)
    with database.session() as db:
        newest = db.query(Checkpoint).filter_by(job_id=job.id).order_by(Checkpoint.epoch.desc()).first()
        assert newest is not None
        newest.data = b"damaged"
    work(open_bench())
    assert _model_of(database, job).sha256 == _model_of(database, straight).sha256
    assert _rows(database, job) == _rows(database, straight)


def test_a_job_begun_with_other_numerics_is_left_to_those_who_have_them(
    bench: Bench, add_job: AddJob, database: Database
) -> None:
    job = add_job(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: _begun(database, job))
    bench.stopping = type(bench.stopping)()
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(numerics="abacus-1"))
    bench.declined.add("abacus-1")
    assert work(bench) is None
    assert _job(database, job).status == "queued"
