"""The sweeper's side: what silent workers held is given back, what lost its message is found."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from service.tables import claims, sweeps, wishes
from service.tables.base import Database
from service.tables.jobs import Job
from tests.service.tables.rows import add_job, must_claim, progress, read

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _fall_silent(database: Database, job: Job) -> None:
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(lease_until=LONG_AGO))


def test_a_lease_that_holds_is_left_alone(database: Database) -> None:
    job = add_job(database)
    must_claim(database)
    with database.session() as db:
        assert not sweeps.end_leases(db, max_tries=3).any
    assert read(database, job.id).status == "running"


def test_a_silent_workers_job_is_queued_again_as_another_attempt(database: Database) -> None:
    job = add_job(database)
    must_claim(database)
    _fall_silent(database, job)
    with database.session() as db:
        assert sweeps.end_leases(db, max_tries=3).requeued == 1
        assert not sweeps.end_leases(db, max_tries=3).any
    row = read(database, job.id)
    assert (row.status, row.attempt, row.lease_until) == ("queued", 2, None)


def test_a_job_that_kills_its_worker_three_times_fails(database: Database) -> None:
    job = add_job(database)
    for _ in range(3):
        must_claim(database)
        _fall_silent(database, job)
        with database.session() as db:
            sweeps.end_leases(db, max_tries=3)
    row = read(database, job.id)
    assert (row.status, row.claim) == ("failed", 3)
    assert row.error is not None
    assert row.error["code"] == "worker_lost"


def test_deaths_with_progress_between_them_fail_no_job(database: Database) -> None:
    job = add_job(database)
    for epoch in range(1, 9):
        claimed = must_claim(database)
        with database.session() as db:
            claims.save_progress(db, claimed, progress(epoch, first=epoch), lease_seconds=60)
        _fall_silent(database, job)
        with database.session() as db:
            sweeps.end_leases(db, max_tries=3)
    assert read(database, job.id).status == "queued"


def test_a_cancel_of_a_dead_workers_job_comes_true(database: Database) -> None:
    job = add_job(database)
    must_claim(database)
    with database.session() as db:
        wishes.request_cancel(db, "local", job.id)
    _fall_silent(database, job)
    with database.session() as db:
        assert sweeps.end_leases(db, max_tries=3).canceled == 1
    assert read(database, job.id).status == "canceled"


def test_a_worker_known_to_be_dead_loses_its_own_job_alone(database: Database) -> None:
    dead, alive = add_job(database), add_job(database)
    must_claim(database, "dead")
    must_claim(database, "alive")
    with database.session() as db:
        assert sorted(sweeps.holders(db)) == ["alive", "dead"]
        assert sweeps.end_lease_of(db, "dead", max_tries=3).requeued == 1
    assert read(database, dead.id).status == "queued"
    assert read(database, alive.id).status == "running"


def test_a_fresh_job_is_given_time_to_be_heard_of(database: Database) -> None:
    add_job(database)
    with database.reading() as db:
        assert sweeps.lost_messages(db, grace_seconds=60, limit=10) == (1, [])


def test_a_lost_message_is_found_and_taken_by_one_sweeper(database: Database) -> None:
    job = add_job(database)
    with database.session() as db:
        assert sweeps.lost_messages(db, grace_seconds=-1, limit=10) == (1, [job.id])
        assert sweeps.mark_published(db, [job.id], grace_seconds=-1) == [job.id]
    with database.session() as db:
        assert sweeps.mark_published(db, [job.id], grace_seconds=60) == []


def test_a_job_given_back_is_sent_again_without_delay(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.release(db, claimed, reason="shutdown")
        assert sweeps.lost_messages(db, grace_seconds=60, limit=10) == (1, [job.id])


@pytest.mark.parametrize("jobs_before", [0, 3])
def test_the_log_tells_whether_any_worker_took_a_job(database: Database, jobs_before: int) -> None:
    for number in range(jobs_before):
        add_job(database)
        must_claim(database, f"w{number}")
    with database.reading() as db:
        cursor, _ = sweeps.claims_since(db, 0)
    add_job(database)
    with database.reading() as db:
        cursor, taken = sweeps.claims_since(db, cursor)
    assert not taken
    must_claim(database, "last")
    with database.reading() as db:
        assert sweeps.claims_since(db, cursor)[1]


def _decline(database: Database, worker: str) -> None:
    claimed = must_claim(database, worker)
    with database.session() as db:
        assert claims.release(db, claimed, reason=claims.DECLINED)


def _fail_declined(database: Database, *, patience: float) -> int:
    with database.session() as db:
        return sweeps.fail_declined(db, patience_seconds=patience)


def test_a_job_whose_numerics_nobody_has_fails_after_a_while(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        claims.release(db, claimed, reason="slice")
    assert _fail_declined(database, patience=-1) == 0
    _decline(database, "a")
    _decline(database, "b")
    assert _fail_declined(database, patience=60) == 0
    assert _fail_declined(database, patience=-1) == 1
    row = read(database, job.id)
    assert row.error is not None
    assert (row.status, row.error["code"]) == ("failed", "numerics_gone")
    assert "arrays-3" in row.error["detail"]


def test_a_job_that_was_declined_and_then_found_its_worker_goes_on(database: Database) -> None:
    job = add_job(database)
    for last, first in ((4, 1), (6, 5)):
        claimed = must_claim(database, f"able-{last}")
        with database.session() as db:
            claims.save_progress(db, claimed, progress(last, first=first), lease_seconds=60)
            claims.release(db, claimed, reason="slice")
        if last == 4:
            _decline(database, "unable")
    assert _fail_declined(database, patience=-1) == 0
    assert read(database, job.id).status == "queued"


def test_the_progress_of_another_job_keeps_no_declined_one_waiting(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        claims.release(db, claimed, reason="slice")
    _decline(database, "unable")
    with database.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(priority=2))
    add_job(database)
    other = must_claim(database, "busy")
    assert other.job_id != job.id
    with database.session() as db:
        claims.save_progress(db, other, progress(4), lease_seconds=60)
    assert _fail_declined(database, patience=-1) == 1
    assert read(database, job.id).status == "failed"


def test_a_row_that_somebody_holds_locked_does_not_hold_up_the_others(postgres_url: str) -> None:
    database = Database(postgres_url)
    for _ in range(2):
        add_job(database)
    held, other = must_claim(database, "w1", lease=-1), must_claim(database, "w2", lease=-1)
    with database.session() as frozen:
        frozen.execute(select(Job.id).where(Job.id == held.job_id).with_for_update())
        with database.session() as db:
            assert sweeps.end_leases(db, max_tries=3).requeued == 1
        assert read(database, other.job_id).status == "queued"
    with database.session() as db:
        assert sweeps.end_leases(db, max_tries=3).requeued == 1
    database.close()
