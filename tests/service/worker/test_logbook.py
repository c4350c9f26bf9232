"""What a training has brought reaches the database beside it: whole, in order, and never waited for."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Update, update

from service.tables import wishes
from service.tables.claims import LostLease
from service.tables.jobs import Job
from service.worker.bench import Bench
from service.worker.logbook import Logbook
from service.worker.train import Training
from service.worker.work import work
from tests.servers import eventually
from tests.service.tables.rows import must_claim
from tests.training import LONG_JOB, Workshop

OFTEN = {"chunk_seconds": 0.01, "progress_seconds": 0.02, "first_progress_seconds": 0.01}


def _locked(job: Job) -> Update:
    """The statement that keeps others from writing the job until its transaction ends."""
    return update(Job).where(Job.id == job.id).values(name="locked")


def test_a_training_goes_on_while_what_it_has_brought_is_written(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    job, bench = workshop.add(LONG_JOB), open_bench(**OFTEN)
    training = threading.Thread(target=work, args=(bench,))
    training.start()
    eventually(lambda: workshop.has_begun(job))
    with workshop.database.session() as db:
        db.execute(_locked(job))
        trained = bench.tally.seconds
        eventually(lambda: bench.tally.seconds > trained + 20 * OFTEN["progress_seconds"])
    with workshop.database.session() as db:
        wishes.request_cancel(db, "local", job.id)
    training.join(20)
    ended = workshop.job(job)
    assert ended.status == "canceled"
    assert [row["epoch"] for row in workshop.rows(job)] == list(range(1, ended.epoch + 1))


def test_a_failure_while_rows_are_being_written_keeps_every_row(
    open_bench: Callable[..., Bench], workshop: Workshop
) -> None:
    rising = {"name": "sgd", "learning_rate": 10}
    job = workshop.add({**LONG_JOB, "model": {}, "loss": "squared_hinge", "optimizer": rising}, epochs=5000)
    work(open_bench(**{**OFTEN, "chunk_seconds": 0.0001}))
    failed = workshop.job(job)
    assert failed.error is not None
    assert failed.error["code"] == "diverged"
    assert [row["epoch"] for row in workshop.rows(job)] == list(range(1, failed.error["epoch"]))


@pytest.fixture
def logbook(open_bench: Callable[..., Bench], workshop: Workshop) -> Logbook:
    """Of a training whose lease is lost before it has brought anything."""
    job, bench = workshop.add(LONG_JOB), open_bench(first_progress_seconds=0)
    training = Training(bench, must_claim(workshop.database), on_first_look=lambda: None)
    trainer = training._trainer
    logbook = Logbook(bench, training._claimed, trainer)
    logbook.add(next(trainer.blocks(0.01)))
    with workshop.database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(claim=Job.claim + 1))
    return logbook


def test_a_lost_lease_is_heard_of_at_a_later_look(logbook: Logbook) -> None:
    assert not logbook.look().cancel  # sent, not waited for

    def lost() -> bool:
        try:
            logbook.look()
        except LostLease:
            return True
        return False

    eventually(lost)


def test_a_lost_lease_is_heard_of_before_the_end_is_written(logbook: Logbook) -> None:
    logbook.look()
    with pytest.raises(LostLease):
        logbook.rest(checkpoint=False)
