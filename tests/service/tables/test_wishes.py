"""What users may ask of a job, on both databases."""

import pytest

from service.tables import claims, events, wishes
from service.tables.base import Conflict, Database
from service.tables.jobs import Status
from tests.service.tables.rows import MODEL, add_job, claim, must_claim, progress, read


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
