"""What a worker makes of the jobs that it takes together."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from service.settings import Settings
from service.tables import events, models, wishes
from service.tables.base import Database
from service.tables.datasets import Dataset
from service.tables.jobs import Job
from service.worker import work as work_module
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work, work_until_none_waits
from tests.service.tables.rows import MODEL
from tests.training import Workshop


@pytest.fixture
def alone(open_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The only training process of its worker, and a patient one: it keeps all that is small."""
    monkeypatch.setattr(work_module, "TOGETHER_SECONDS", 60.0)
    return open_bench(
        concurrency=1, chunk_seconds=60.0
    )  # no look between two chunks, however slow the machine


def _reasons(database: Database, job: Job) -> list[str | None]:
    with database.reading() as db:
        return [move.reason for move in events.moves(db, job.id)]


def test_small_jobs_end_together_with_the_bits_that_each_has_alone(
    alone: Bench, open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    together = [workshop.add(seed=seed) for seed in range(3)]
    assert work(alone) == together[0].id
    assert work(alone) is None
    single = [workshop.add(seed=seed) for seed in range(3)]
    work_until_none_waits(open_bench(max_tries=1))
    for one, other in zip(together, single, strict=True):
        assert workshop.model(one).sha256 == workshop.model(other).sha256
        assert workshop.rows(one) == workshop.rows(other)
        assert workshop.job(one).latest == workshop.job(other).latest
    assert sorted(workshop.model(job).version for job in together) == [1, 2, 3]


def test_where_one_death_fails_a_job_none_is_taken_with_another(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    first, second = workshop.add(), workshop.add()
    work(open_bench(concurrency=1, max_tries=1))
    assert (workshop.status(first), workshop.status(second)) == ("succeeded", "queued")


def test_a_process_that_woke_works_until_none_waits(bench: Bench, workshop: Workshop) -> None:
    waiting = [workshop.add() for _ in range(5)]
    work_until_none_waits(bench)
    assert {workshop.status(job) for job in waiting} == {"succeeded"}


def test_a_failure_in_a_batch_harms_no_neighbour(alone: Bench, workshop: Workshop) -> None:
    first, broken, last = (workshop.add() for _ in range(3))
    with workshop.database.session() as db:
        db.execute(update(Dataset).where(Dataset.id == broken.dataset_id).values(sha256="0" * 64))
    work(alone)
    statuses = [workshop.status(job) for job in (first, broken, last)]
    assert statuses == ["succeeded", "failed", "succeeded"]
    assert workshop.job(broken).error["code"] == "dataset_unreadable"  # type: ignore[index]  # it failed


def test_an_end_that_the_database_refuses_harms_no_neighbour(alone: Bench, workshop: Workshop) -> None:
    first, refused, last = (workshop.add() for _ in range(3))
    with workshop.database.session() as db:
        models.add(db, owner="local", job_id=refused.id, dataset_id="ds_1", **MODEL)
    work(alone)
    statuses = [workshop.status(job) for job in (first, refused, last)]
    assert statuses == ["succeeded", "failed", "succeeded"]


def test_a_job_canceled_after_it_was_taken_with_others_is_canceled(
    alone: Bench, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, unwanted = workshop.add(), workshop.add()
    train = work_module.Batch.run

    def cancel_and_run(batch: work_module.Batch) -> None:
        with workshop.database.session() as db:
            wishes.request_cancel(db, "local", unwanted.id)
        train(batch)

    monkeypatch.setattr(work_module.Batch, "run", cancel_and_run)
    work(alone)
    assert (workshop.status(first), workshop.status(unwanted)) == ("succeeded", "canceled")


def test_a_batch_that_takes_longer_than_it_seemed_gives_the_rest_back(
    open_bench: Callable[..., Bench], workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "TOGETHER_SECONDS", 0.0)
    first, second = workshop.add(), workshop.add()
    work(open_bench(concurrency=1))
    assert (workshop.status(first), workshop.status(second)) == ("succeeded", "queued")
    assert _reasons(workshop.database, second)[-1] == "not_begun"


def test_a_first_look_writes_the_ends_there_are_and_frees_who_waits(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    first, slow, last = workshop.add(epochs=1), workshop.add(epochs=150), workshop.add()
    work(open_bench(concurrency=1, chunk_seconds=0.001))
    assert [workshop.status(job) for job in (first, slow)] == ["succeeded", "succeeded"]
    finished = [workshop.job(job).finished_at for job in (first, slow)]
    assert finished[0] < finished[1]  # type: ignore[operator]  # both have ended
    assert workshop.status(last) == "queued"


def test_a_worker_told_to_stop_gives_back_what_it_has_not_begun(
    settings: Settings, workshop: Workshop
) -> None:
    stopping = SharedFlag()
    bench = Bench.open(replace(settings, concurrency=1), stopping)
    waiting = [workshop.add() for _ in range(3)]
    stopping.set()
    work(bench)
    assert {workshop.status(job) for job in waiting} == {"queued"}
    reasons = [_reasons(workshop.database, job)[-1] for job in waiting]
    assert reasons == ["shutdown", "not_begun", "not_begun"]
    work_until_none_waits(bench)
    assert workshop.status(waiting[1]) == "queued", "a process that is to stop takes nothing"
    bench.close()
