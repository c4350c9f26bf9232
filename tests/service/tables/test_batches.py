"""Small jobs by the handful: nobody's order, fence or cancel is weaker for it."""

import threading
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from service.tables import batches, claims, events, history, models, wishes
from service.tables.base import Database
from service.tables.batches import Ending
from service.tables.claims import Claimed
from service.tables.jobs import Job
from tests.service.tables.rows import MODEL, SMALL, SPEC, add_job, must_claim, progress, read

LARGE: dict[str, Any] = {**SMALL, "training": {"epochs": 10**9}}


def _add(database: Database, spec: dict[str, Any] = SMALL, **facts: Any) -> str:
    return add_job(database, spec=spec, **facts).id


def _claim(database: Database, worker: str = "w", **options: Any) -> list[Claimed]:
    asked: dict[str, Any] = {"claim_id": f"{worker}-claim", "lease_seconds": 60, "most": 16} | options
    with database.session() as db:
        return batches.claim(db, worker, **asked)


def _ids(batch: list[Claimed]) -> list[str]:
    return [each.job_id for each in batch]


def _ending(claimed: Claimed) -> Ending:
    return Ending(claimed, progress(10, checkpoint=None), MODEL)


def test_small_jobs_are_taken_together_in_the_order_of_the_queue(database: Database) -> None:
    low, first, second = _add(database, priority="low"), _add(database), _add(database)
    high = _add(database, priority="high")
    batch = _claim(database)
    assert _ids(batch) == [high, first, second, low]
    assert {(each.claim, each.dataset_sha256, each.checkpoint) for each in batch} == {(1, "a" * 64, None)}
    rows = [read(database, each.job_id) for each in batch]
    assert {(row.status, row.worker, row.tries, row.attempt) for row in rows} == {("running", "w", 1, 1)}
    assert all(row.started_at and row.lease_until and row.heartbeat_at for row in rows)
    with database.reading() as db:
        assert [move.status for move in events.moves(db, low)] == ["queued", "running"]


def test_a_batch_leaves_the_other_processes_their_part(database: Database) -> None:
    waiting = [_add(database) for _ in range(6)]
    assert _ids(_claim(database, "a", sharers=2)) == waiting[:3]
    assert _ids(_claim(database, "b", sharers=2)) == waiting[3:5]
    assert _ids(_claim(database, "c", sharers=2)) == waiting[5:]
    assert _claim(database, "d", sharers=2) == []


def test_a_batch_is_no_longer_than_asked_for(database: Database) -> None:
    waiting = [_add(database) for _ in range(4)]
    assert _ids(_claim(database, most=3)) == waiting[:3]
    assert _ids(_claim(database, "other", most=3)) == waiting[3:]


def test_a_large_job_goes_alone_and_keeps_its_turn(database: Database) -> None:
    small, large, behind = _add(database), _add(database, LARGE), _add(database)
    assert [_ids(_claim(database, worker)) for worker in "abc"] == [[small], [large], [behind]]


def test_a_job_whose_spec_cannot_be_read_goes_alone(database: Database) -> None:
    waiting = [_add(database, SPEC), _add(database)]
    assert _ids(_claim(database)) == waiting[:1]


def test_jobs_that_came_back_from_a_dead_worker_go_alone(database: Database) -> None:
    waiting = [_add(database) for _ in range(3)]
    for claimed in _claim(database):
        with database.session() as db:
            assert claims.release(db, claimed, reason="test")
    assert [_ids(_claim(database, worker)) for worker in "abc"] == [[job] for job in waiting]


def test_a_batch_whose_commit_went_unheard_is_found_again(database: Database) -> None:
    for _ in range(3):
        _add(database)
    first = _claim(database)
    assert _claim(database) == first
    assert len(first) == 3


def test_many_workers_share_no_job_and_leave_none(database: Database) -> None:
    wanted = {_add(database) for _ in range(40)}
    taken: list[str] = []

    def work(name: str) -> None:
        number = 0
        while True:
            take = partial(batches.claim, worker=name, claim_id=f"{name}-{number}", lease_seconds=60)
            batch = database.persist(partial(take, most=5, sharers=2))
            if not batch:
                return
            taken.extend(_ids(batch))
            number += 1

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(wanted)


def test_many_ends_are_written_at_once_and_once(database: Database) -> None:
    for _ in range(3):
        _add(database)
    batch = _claim(database)
    endings = [_ending(each) for each in batch]
    for left in ([], endings):  # an unheard commit: the second time all have ended already
        with database.session() as db:
            assert batches.succeed(db, endings) == left
    with database.reading() as db:
        made = models.page(db, "local", limit=9).items
        assert sorted(model.version for model in made) == [1, 2, 3]
        assert {model.job_id: model.id for model in made} == {
            each.job_id: read(database, each.job_id).model_id for each in batch
        }
        assert models.parameters(db, made[0].id) == b"parameters"
        blocks = history.read(db, batch[0].job_id)
        assert [(each.first_epoch, each.last_epoch) for each in blocks] == [(1, 10)]
        assert [move.status for move in events.moves(db, batch[0].job_id)][-1] == "succeeded"
    row = read(database, batch[0].job_id)
    assert (row.status, row.epoch, row.latest, row.lease_until) == ("succeeded", 10, {"epoch": 10}, None)
    with database.session() as db:
        assert claims.succeed(db, batch[0], endings[0].progress, model=MODEL) == row.model_id


def test_an_end_that_came_too_late_is_left_and_harms_no_neighbour(database: Database) -> None:
    for _ in range(4):
        _add(database)
    good, canceled, lost, elsewhere = batch = _claim(database)
    with database.session() as db:
        wishes.request_cancel(db, "local", canceled.job_id)
        assert claims.release(db, lost, reason="test")
        db.execute(update(Job).where(Job.id == elsewhere.job_id).values(epoch=3))
    must_claim(database, "other")
    endings = [_ending(each) for each in batch]
    with database.session() as db:
        assert batches.succeed(db, endings) == endings[1:]
    assert [read(database, each.job_id).status for each in batch] == ["succeeded", *["running"] * 3]
    assert read(database, good.job_id).model_id is not None


def test_heartbeats_prolong_only_the_leases_that_are_held(database: Database) -> None:
    _add(database), _add(database)
    batch = _claim(database, lease_seconds=1)
    with database.session() as db:
        assert claims.release(db, batch[0], reason="test")
        batches.heartbeat(db, batch, lease_seconds=60)
    assert read(database, batch[0].job_id).lease_until is None
    row = read(database, batch[1].job_id)
    assert row.lease_until is not None
    assert row.heartbeat_at is not None
    assert (row.lease_until - row.heartbeat_at).total_seconds() == pytest.approx(60, abs=1)


def test_what_is_given_back_unbegun_keeps_its_place(database: Database) -> None:
    waiting = [_add(database) for _ in range(3)]
    batch = _claim(database)
    with database.session() as db:
        assert batches.give_back(db, batch[1:]) == 2
        assert batches.give_back(db, batch[1:]) == 0
    row = read(database, waiting[1])
    assert (row.status, row.tries, row.attempt, row.started_at) == ("queued", 0, 1, None)
    assert [must_claim(database, worker).job_id for worker in "ab"] == waiting[1:]


def test_what_was_canceled_is_not_given_back(database: Database) -> None:
    for _ in range(3):
        _add(database)
    first, second, third = _claim(database)
    with database.session() as db:
        for each in (second, third):
            wishes.request_cancel(db, "local", each.job_id)
        assert batches.give_back(db, [first, second]) == 1
        assert claims.release(db, third, reason="test") is False
    assert [read(database, each.job_id).status for each in (first, second, third)] == [
        "queued",
        "canceled",
        "canceled",
    ]


def test_an_owner_runs_so_many_jobs_at_once_and_others_pass_by(database: Database) -> None:
    many = [_add(database, owner="many", priority="high") for _ in range(4)]
    few = [_add(database, owner="few") for _ in range(2)]
    low = _add(database, owner="third", priority="low")
    assert _ids(_claim(database, "a", most=1, most_of_owner=2)) == many[:1]
    assert _ids(_claim(database, "b", most_of_owner=2)) == [many[1], *few, low]
    assert _claim(database, "c", most_of_owner=2) == []
    (first,) = _claim(database, "a")
    with database.session() as db:
        assert batches.give_back(db, [first])
    assert _ids(_claim(database, "d", most_of_owner=2)) == many[:1]
    assert _ids(_claim(database, "e")) == many[2:]


def test_a_large_job_waits_too_while_its_owner_has_no_room(database: Database) -> None:
    large = [_add(database, LARGE, owner=owner) for owner in ("many", "many", "few")]
    taken = [_ids(_claim(database, worker, most_of_owner=1)) for worker in "abc"]
    assert taken == [large[:1], large[2:], []]


def test_workers_that_claim_at_once_keep_to_an_owners_bound(database: Database) -> None:
    for _ in range(12):
        _add(database)
    start, taken = threading.Barrier(6), list[str]()

    def take(worker: str) -> None:
        start.wait()
        taken.extend(_ids(_claim(database, worker, most=2, most_of_owner=3)))

    threads = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 3
