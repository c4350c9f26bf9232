"""A worker's side of a job: one worker at a time, and nothing written by one that has lost it."""

import random
import threading
from functools import partial

import pytest
from sqlalchemy import select, update

from service.tables import batches, claims, history, models, wishes
from service.tables.base import Database
from service.tables.batches import Ending
from service.tables.claims import Claimed, LostLease
from service.tables.history import Checkpoint
from service.tables.jobs import Job, Status
from tests.service.tables.rows import MODEL, add_job, claim, must_claim, progress, read


def test_a_claim_takes_the_job_with_a_lease_and_a_number(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database, lease=60)
    assert (claimed.job_id, claimed.claim, claimed.checkpoint) == (job.id, 1, None)
    row = read(database, job.id)
    assert (row.status, row.worker, row.attempt, row.tries) == ("running", "w", 1, 1)
    assert row.lease_until is not None
    assert row.heartbeat_at is not None
    assert 55 < (row.lease_until - row.heartbeat_at).total_seconds() < 61
    assert row.started_at is not None


def test_a_claim_whose_commit_went_unheard_is_found_again(database: Database) -> None:
    add_job(database)
    add_job(database)
    first = claim(database, claim_id="same")
    assert claim(database, claim_id="same") == first


def test_many_workers_never_share_a_job(database: Database) -> None:
    wanted = {add_job(database).id for _ in range(20)}
    taken: list[str] = []

    def work(name: str) -> None:
        for number in range(10):
            take = database.persist(
                partial(claims.claim_next, worker=name, claim_id=f"{name}-{number}", lease_seconds=60)
            )
            if take is not None:
                taken.append(take.job_id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(wanted)


def test_progress_twice_is_progress_once(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    for _ in range(2):
        with database.session() as db:
            claims.save_progress(db, claimed, progress(4), lease_seconds=60)
    row = read(database, job.id)
    assert (row.epoch, row.tries, row.latest, row.numerics) == (4, 0, {"epoch": 4}, "arrays-3")
    with database.reading() as db:
        assert [(each.first_epoch, each.last_epoch) for each in history.read(db, job.id)] == [(1, 4)]
        assert history.sound_checkpoint(db, job.id) == (4, b"state")


def test_progress_on_a_row_that_went_back_in_time_is_refused(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with pytest.raises(LostLease), database.session() as db:
        claims.save_progress(db, claimed, progress(9, first=5), lease_seconds=60)
    assert read(database, job.id).epoch == 0


def _lose(database: Database, claimed: Claimed) -> Claimed:
    """Another worker takes the job over."""
    with database.session() as db:
        assert claims.release(db, claimed, reason="test")
    return must_claim(database, "other")


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    job = add_job(database)
    old = must_claim(database)
    new = _lose(database, old)
    assert new.claim == old.claim + 1
    for write in (
        lambda db: claims.save_progress(db, old, progress(9), lease_seconds=60),
        lambda db: claims.heartbeat(db, old, lease_seconds=60),
        lambda db: claims.read_flags(db, old),
        lambda db: claims.succeed(db, old, progress(10), model=MODEL),
        lambda db: claims.cancel(db, old, progress(9)),
        lambda db: claims.fail(db, old, {"code": "diverged"}),
    ):
        with pytest.raises(LostLease), database.session() as db:
            write(db)
    with database.session() as db:
        assert claims.release(db, old, reason="test") is False
    row = read(database, job.id)
    assert (row.status, row.claim, row.epoch, row.worker) == ("running", new.claim, 0, "other")
    with database.reading() as db:
        assert history.read(db, job.id) == []
        assert models.page(db, "local", limit=1).items == []


def test_a_job_goes_on_from_its_checkpoint(database: Database) -> None:
    add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
    assert _lose(database, claimed).checkpoint == b"state"


def test_a_damaged_checkpoint_gives_way_to_the_one_before(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    for last, state in ((3, b"third"), (6, b"sixth")):
        with database.session() as db:
            saved = progress(last, first=last - 2, checkpoint=state)
            claims.save_progress(db, claimed, saved, lease_seconds=60)
    with database.session() as db:
        db.get_one(Checkpoint, (job.id, 6)).data = b"damaged"
    assert _lose(database, claimed).checkpoint == b"third"
    with database.reading() as db:
        assert history.last_epoch(db, job.id) == 3


def test_where_every_checkpoint_is_damaged_the_job_begins_again(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    for last in (3, 6):
        with database.session() as db:
            claims.save_progress(db, claimed, progress(last, first=last - 2), lease_seconds=60)
    with database.session() as db:
        db.execute(update(Checkpoint).where(Checkpoint.job_id == job.id).values(data=b"damaged"))
    assert _lose(database, claimed).checkpoint is None
    assert read(database, job.id).epoch == 0
    with database.reading() as db:
        assert history.last_epoch(db, job.id) == 0


def test_a_release_costs_neither_attempt_nor_try(database: Database) -> None:
    job = add_job(database)
    for number in range(5):
        claimed = must_claim(database, f"w{number}")
        with database.session() as db:
            claims.release(db, claimed, reason="shutdown")
    row = read(database, job.id)
    assert (row.status, row.attempt, row.tries, row.claim) == ("queued", 1, 0, 5)


def test_a_released_job_stands_behind_those_that_wait(database: Database) -> None:
    long = add_job(database)
    claimed = must_claim(database)
    short = add_job(database)
    with database.session() as db:
        claims.release(db, claimed, reason="slice")
    assert [must_claim(database, each).job_id for each in ("a", "b")] == [short.id, long.id]


def test_success_brings_model_status_and_history_at_once_and_once(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    model_ids = set()
    for _ in range(2):
        with database.session() as db:
            model_ids.add(claims.succeed(db, claimed, progress(10), model=MODEL))
    row = read(database, job.id)
    assert (row.status, row.epoch, row.lease_until, row.worker) == ("succeeded", 10, None, None)
    assert model_ids == {row.model_id}
    with database.reading() as db:
        model = models.find(db, "local", "moons")
        assert model is not None
        assert (model.job_id, model.version) == (job.id, 1)
        assert models.parameters(db, model.id) == b"parameters"


def test_a_cancel_that_came_first_beats_success(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        wishes.request_cancel(db, "local", job.id)
    with database.session() as db:
        assert claims.succeed(db, claimed, progress(10), model=MODEL) is None
    with database.session() as db:
        claims.cancel(db, claimed, progress(10))
    assert read(database, job.id).status == Status.CANCELED
    with database.reading() as db:
        assert models.page(db, "local", limit=1).items == []
        assert history.last_epoch(db, job.id) == 10


def test_a_failure_keeps_the_history_and_says_why(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    error = {"code": "diverged", "detail": "the loss became infinite in epoch 5", "hint": ""}
    with database.session() as db:
        claims.fail(db, claimed, error, progress(4, checkpoint=None))
    row = read(database, job.id)
    assert (row.status, row.error, row.epoch) == ("failed", error, 4)
    with database.reading() as db:
        assert history.last_epoch(db, job.id) == 4
        assert history.sound_checkpoint(db, job.id) is None


def test_numerics_that_a_worker_lacks_are_left_to_others(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        claims.release(db, claimed, reason="shutdown")
    with database.session() as db:
        lacking = frozenset({"arrays-3"})
        assert claims.claim_next(db, "x", claim_id="x", lease_seconds=60, declined=lacking) is None
    assert must_claim(database, "y").job_id == job.id


def test_jobs_of_full_owners_are_passed_by_and_nobody_loses_a_place(database: Database) -> None:
    draws, owners = random.Random(1), ("a", "b", "c", "d")
    for _ in range(60):
        add_job(database, owner=draws.choice(owners), priority=draws.choice(("high", "normal", "low")))
    with database.reading() as db:
        order = db.execute(select(Job.id, Job.owner).order_by(Job.priority, Job.turn, Job.id)).all()
    waiting = [(row.id, row.owner) for row in order]
    while waiting:
        full = frozenset(draws.sample(owners, draws.randrange(4)))
        wanted = next((each for each in waiting if each[1] not in full), None)
        with database.session() as db:
            claimed = claims.claim_next(
                db, "w", claim_id=str(len(waiting)), lease_seconds=60, declined=frozenset("x"), full=full
            )
        assert (claimed and (claimed.job_id, claimed.owner)) == wanted
        if wanted:
            waiting.remove(wanted)


def test_a_number_that_a_crashed_server_gave_away_twice_fences_the_first(database: Database) -> None:
    add_job(database)
    first = must_claim(database, "w1")
    with (
        database.session() as db
    ):  # as after a crash that lost the claim, whose commit does not wait for the disk
        lost = {"status": "queued", "claim": 0, "claim_id": None, "worker": None, "lease_until": None}
        db.execute(update(Job).where(Job.id == first.job_id).values(**lost))
    second = must_claim(database, "w2")
    assert second.claim == first.claim
    with pytest.raises(LostLease), database.session() as db:
        claims.save_progress(db, first, progress(4), lease_seconds=60)
    with database.session() as db:
        assert batches.succeed(db, [Ending(first, progress(10), MODEL)]) != []
        assert batches.succeed(db, [Ending(second, progress(10), MODEL)]) == []
