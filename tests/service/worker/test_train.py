"""One claim on a job: what a worker makes of it, whatever comes between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from engine.models.model import TrainedModel
from engine.spec.versions import ADDED
from service.tables import claims, history, models, wishes
from service.tables.history import Checkpoint
from service.tables.jobs import Job
from service.worker.bench import Bench
from service.worker.work import work
from tests.servers import eventually
from tests.service.tables.rows import MODEL
from tests.training import LONG_JOB, Workshop


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


def test_the_seeds_job_gives_the_seeds_numbers(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add()
    assert work(bench) == job.id
    assert work(bench) is None
    done = workshop.job(job)
    assert (done.status, done.epoch, done.error) == ("succeeded", 21, None)
    rows = workshop.rows(job)
    assert [row["epoch"] for row in rows] == list(range(1, 22))
    losses = [rows[index]["train_loss"] for index in (0, 10, 20)]
    wanted = [0.7732538183378128, 0.21790039451868812, 0.17946586268211423]
    assert losses == pytest.approx(wanted, abs=1e-12)
    assert done.latest == rows[-1]
    model = workshop.model(job)
    assert (model.name, model.version, model.parameter_count) == ("moons", 1, 337)
    with workshop.database.reading() as db:
        data = models.parameters(db, model.id)
    assert data is not None
    assert TrainedModel.from_bytes(data).sha256 == model.sha256


def test_a_job_in_many_slices_gives_the_same_bits(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    straight = workshop.add(epochs=1000)
    work(open_bench())
    sliced, other = workshop.add(epochs=1000), workshop.add(epochs=1000)
    bench = open_bench(slice_seconds=0.05, chunk_seconds=0.01, progress_seconds=0.02)
    while work(bench):
        pass
    claims_needed = workshop.job(sliced).claim
    assert claims_needed > 1
    assert workshop.job(sliced).attempt == 1
    digests = {workshop.model(each).sha256 for each in (straight, sliced, other)}
    assert len(digests) == 1
    assert workshop.rows(sliced) == workshop.rows(straight)


def test_a_worker_told_to_stop_saves_and_gives_the_job_back(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    job = workshop.add(LONG_JOB)
    bench = open_bench()
    with _at_work(bench):
        eventually(lambda: workshop.has_begun(job))
    given_back = workshop.job(job)
    assert (given_back.status, given_back.attempt, given_back.tries) == ("queued", 1, 0)
    with workshop.database.reading() as db:
        saved = history.sound_checkpoint(db, job.id)
    assert saved is not None
    assert saved[0] == given_back.epoch == len(workshop.rows(job))
    assert bench.broker.depth() == 1


def test_a_cancel_is_seen_in_the_middle_and_keeps_the_history(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: workshop.has_begun(job))
        with workshop.database.session() as db:
            wishes.request_cancel(db, "local", job.id)
        eventually(lambda: workshop.job(job).status == "canceled", seconds=2)
    assert len(workshop.rows(job)) == workshop.job(job).epoch > 0


def test_a_stop_ends_early_and_keeps_the_model(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: workshop.has_begun(job))
        with workshop.database.session() as db:
            db.execute(update(Job).where(Job.id == job.id).values(stop_requested=True))
        eventually(lambda: workshop.job(job).status == "succeeded", seconds=5)
    assert 0 < workshop.job(job).epoch < 1_000_000
    assert workshop.model(job).sha256


def test_a_job_without_a_deadline_ends_at_the_settings(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    job = workshop.add(LONG_JOB)
    work(open_bench(max_seconds=0.3))
    ended = workshop.job(job)
    assert ended.spec["training"]["max_seconds"] is None
    assert ended.status == "succeeded"
    assert 0.3 <= ended.seconds < 5
    assert 0 < ended.epoch < ended.epochs


def test_a_worker_whose_job_was_taken_writes_nothing_more(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add(LONG_JOB)
    with _at_work(bench) as thread:
        eventually(lambda: workshop.has_begun(job))
        with workshop.database.session() as db:
            db.execute(update(Job).where(Job.id == job.id).values(claim=Job.claim + 1))
        thread.join(10)
        epoch = workshop.job(job).epoch
    assert workshop.job(job).epoch == epoch
    assert workshop.job(job).status == "running"


def test_the_heart_keeps_a_lease_while_one_chunk_takes_longer(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    job = workshop.add()
    bench = open_bench(lease_seconds=0.5)
    with workshop.database.session() as db:
        claimed = claims.claim_next(db, bench.name, claim_id="c", lease_seconds=0.5)
    assert claimed is not None
    before = workshop.job(job).lease_until
    assert before is not None
    bench.heart.begin(claimed)
    eventually(lambda: (workshop.job(job).lease_until or before) > before)
    bench.heart.end()


def test_a_loss_that_leaves_the_numbers_fails_the_job_with_its_epoch(
    bench: Bench, workshop: Workshop
) -> None:
    job = workshop.add(
        {**LONG_JOB, "model": {}, "loss": "squared_hinge", "optimizer": {"name": "sgd", "learning_rate": 10}},
        epochs=5000,
    )
    work(bench)
    failed = workshop.job(job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "diverged"
    assert failed.error["epoch"] == len(workshop.rows(job)) + 1


def test_a_job_whose_data_is_gone_fails_with_that_reason(
    bench: Bench, workshop: Workshop, dataset_file: Callable[[], Path]
) -> None:
    job = workshop.add()
    dataset_file().unlink()
    work(bench)
    error = workshop.job(job).error
    assert error is not None
    assert error["code"] == "dataset_unreadable"


def test_an_end_that_the_database_refuses_fails_the_job_instead_of_training_for_ever(
    bench: Bench, workshop: Workshop
) -> None:
    job = workshop.add()
    with workshop.database.session() as db:
        models.add(db, owner="local", job_id=job.id, dataset_id="ds_1", **MODEL)
    work(bench)
    failed = workshop.job(job)
    assert failed.error is not None
    assert (failed.status, failed.error["code"]) == ("failed", "internal_error")


def test_a_damaged_checkpoint_costs_epochs_but_no_bits(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    straight = workshop.add(epochs=1500)
    work(open_bench())
    job = workshop.add(epochs=1500)
    bench = open_bench(chunk_seconds=0.01, progress_seconds=0.02, first_progress_seconds=0.01)
    with _at_work(bench):
        eventually(lambda: workshop.job(job).epoch > 300)
    with workshop.database.session() as db:
        newest = db.query(Checkpoint).filter_by(job_id=job.id).order_by(Checkpoint.epoch.desc()).first()
        assert newest is not None
        newest.data = b"damaged"
    work(open_bench())
    assert workshop.model(job).sha256 == workshop.model(straight).sha256
    assert workshop.rows(job) == workshop.rows(straight)


def test_a_job_begun_with_other_numerics_is_left_to_those_who_have_them(
    bench: Bench, workshop: Workshop
) -> None:
    job = workshop.add(LONG_JOB)
    with _at_work(bench):
        eventually(lambda: workshop.has_begun(job))
    bench.stopping = type(bench.stopping)()
    with workshop.database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(numerics="abacus-1"))
    bench.declined.add("abacus-1")
    assert work(bench) is None
    assert workshop.job(job).status == "queued"


def test_a_spec_of_another_version_fails_with_that_reason(bench: Bench, workshop: Workshop) -> None:
    job = workshop.add()
    with workshop.database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(spec={**job.spec, "perceptrons": 3}))
    work(bench)
    error = workshop.job(job).error
    assert error is not None
    assert error["code"] == "bad_spec"
    assert "another one wrote" in error["detail"]
    assert "perceptrons" in error["detail"]


def test_a_spec_of_an_older_version_trains_as_it_was_meant(
    bench: Bench, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ADDED, "/init_from", None)  # as if this version had brought it
    new, old = workshop.add(), workshop.add()
    older = {name: value for name, value in old.spec.items() if name != "init_from"}
    assert older != old.spec
    with workshop.database.session() as db:
        db.execute(update(Job).where(Job.id == old.id).values(spec=older))
    while work(bench) is not None:
        pass
    assert workshop.model(old).sha256 == workshop.model(new).sha256
