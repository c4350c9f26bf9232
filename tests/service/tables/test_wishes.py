"""What users may ask of a job, on both databases."""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

import pytest

from service.tables import batches, claims, events, sweeps, wishes
from service.tables.base import Conflict, Database
from service.tables.jobs import Status
from tests.service.tables.rows import MODEL, add_job, claim, must_claim, progress, read

Change = Callable[..., Any]


def test_a_queued_job_is_canceled_at_once_and_again_without_change(database: Database) -> None:
    job = add_job(database)
    for _ in range(2):
        with database.session() as db:
            canceled = wishes.request_cancel(db, "local", job.id)
        assert canceled is not None
        assert canceled.status == Status.CANCELED
        assert canceled.finished_at is not None
    assert claim(database) is None


def test_a_running_job_shows_that_it_is_canceling(database: Database) -> None:
    job = add_job(database)
    must_claim(database)
    with database.session() as db:
        asked = wishes.request_cancel(db, "local", job.id)
    assert asked is not None
    assert (asked.status, asked.shown_status) == ("running", "canceling")


def test_a_job_that_has_ended_cannot_be_canceled(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.succeed(db, claimed, progress(10), model=MODEL)
    with database.session() as db, pytest.raises(Conflict, match="already succeeded") as refusal:
        wishes.request_cancel(db, "local", job.id)
    assert refusal.value.code == "job_finished"
    assert read(database, job.id).cancel_requested is False


def test_only_a_job_that_is_done_can_be_removed(database: Database) -> None:
    job = add_job(database)
    with database.session() as db, pytest.raises(Conflict, match="is queued"):
        wishes.remove(db, "local", job.id)
    with database.session() as db:
        wishes.request_cancel(db, "local", job.id)
        assert wishes.remove(db, "other", job.id) is False
        assert wishes.remove(db, "local", job.id) is True
        assert events.moves(db, job.id) == []


def _meanwhile(database: Database, first: Change, second: Change) -> None:
    """Makes the second change while the first is made but not committed."""

    def change() -> None:
        with database.session() as db:
            second(db)

    thread = Thread(target=change)
    with database.session() as db:
        first(db)
        thread.start()
        thread.join(0.3)  # it waits for the row, or has done what it should not
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("cancel_first", [True, False], ids=["cancel first", "worker first"])
@pytest.mark.parametrize("way", ["release", "give_back"])
def test_a_cancel_reaches_a_job_that_is_being_given_back(
    database: Database, way: str, *, cancel_first: bool
) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    ways: dict[str, Change] = {
        "release": partial(claims.release, claimed=claimed, reason="slice"),
        "give_back": partial(batches.give_back, batch=[claimed]),
    }
    cancel = partial(wishes.request_cancel, owner="local", job_id=job.id)
    _meanwhile(database, *((cancel, ways[way]) if cancel_first else (ways[way], cancel)))
    assert read(database, job.id).status == Status.CANCELED
    assert claim(database) is None


@pytest.mark.parametrize("cancel_first", [True, False], ids=["cancel first", "sweeper first"])
def test_a_cancel_reaches_a_job_that_is_being_taken_back(database: Database, *, cancel_first: bool) -> None:
    job = add_job(database)
    must_claim(database, lease=-1)
    sweep = partial(sweeps.end_leases, max_tries=3)
    cancel = partial(wishes.request_cancel, owner="local", job_id=job.id)
    _meanwhile(database, *((cancel, sweep) if cancel_first else (sweep, cancel)))
    with database.session() as db:
        sweep(db)  # the first passed over a row that was being written
    assert read(database, job.id).status == Status.CANCELED
