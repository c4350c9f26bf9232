"""Where a job stands in the queue, near and far from its head, and how fast the queue goes."""

import random
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event, select, update

from service.tables import claims, outlook, queue
from service.tables.base import Database
from service.tables.events import Event
from service.tables.jobs import Job, Status, move
from service.tables.outlook import Outlook
from tests.servers import eventually
from tests.service.tables.rows import SMALL, add_dataset, add_job, claim, must_claim

WAITING = 60


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of some dozens is long here."""
    monkeypatch.setattr(outlook, "NEAR", 5)
    monkeypatch.setattr(outlook, "EVERY", 7)


def _add(database: Database, count: int, owner: str = "local") -> list[str]:
    with database.session() as db:
        dataset = add_dataset(db, owner)
        return [queue.add(db, owner=owner, dataset_id=dataset.id, spec=SMALL).id for _ in range(count)]


def _positions(database: Database, seen: Outlook, ids: list[str]) -> list[int | None]:
    with database.reading() as db:
        return [seen.position(db, db.get_one(Job, each)) for each in ids]


def test_the_position_is_the_order_in_which_workers_take(database: Database) -> None:
    low = add_job(database, priority="low")
    first, second = add_job(database), add_job(database)
    assert _positions(database, Outlook(), [first.id, second.id, low.id]) == [1, 2, 3]
    must_claim(database)
    assert _positions(database, Outlook(), [first.id, second.id]) == [None, 1]


def test_every_position_in_a_long_queue_is_exact(database: Database) -> None:
    ids = _add(database, WAITING)
    shuffled = random.Random(1).sample(ids, WAITING)
    wanted = [ids.index(each) + 1 for each in shuffled]
    assert _positions(database, Outlook(), shuffled) == wanted


def test_positions_follow_the_head_and_the_tail_between_two_looks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "FRESH_SECONDS", 3600.0)
    ids, seen = _add(database, WAITING), Outlook()
    assert _positions(database, seen, ids[-1:]) == [WAITING]
    ids += _add(database, WAITING)
    for taken in range(1, 40):
        assert claim(database, f"w{taken}") is not None
        assert _positions(database, seen, [ids[-1], ids[WAITING]]) == [
            2 * WAITING - taken,
            WAITING + 1 - taken,
        ]


def test_who_leaves_or_joins_in_the_middle_counts_at_the_next_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, seen = _add(database, WAITING), Outlook()
    assert _positions(database, seen, ids[-1:]) == [WAITING]
    with database.session() as db:
        move(db, Status.CANCELED, Job.id.in_(ids[20:30]), reason="cancel")
    _add(database, 5, owner="other")  # level with the head
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert _positions(database, seen, ids[-1:]) == [WAITING - 10 + 5]


@pytest.fixture
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are sent."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_far_position_takes_one_statement_once_the_queue_was_seen(
    database: Database, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "FRESH_SECONDS", 3600.0)
    ids, seen = _add(database, WAITING), Outlook()
    _positions(database, seen, ids[-1:])
    with database.reading() as db:
        job = db.scalars(select(Job).where(Job.id == ids[-2])).one()
        counted.clear()
        assert seen.position(db, job) == WAITING - 1
    assert len(counted) == 1


def test_a_queue_far_from_its_bound_is_counted_once_a_second(
    database: Database, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(outlook, "MARGIN", 10)
    _add(database, 3)
    _add(database, 2, owner="other")
    seen = Outlook()

    def waiting(most: int) -> tuple[int, int]:
        with database.reading() as db:
            return seen.waiting(db, most), seen.waiting(db, most, "other")

    assert waiting(100) == (5, 2)
    _add(database, 1, owner="other")
    counted.clear()
    assert waiting(100) == (5, 2)
    assert [statement for statement in counted if statement != "BEGIN"] == []
    assert waiting(10) == (6, 3)  # so near to the bound it is counted
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    _add(database, 1)
    assert waiting(100) == (7, 3)


def test_lengths_of_many_owners_are_not_kept_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "OWNERS", 3)
    seen = Outlook()
    with database.reading() as db:
        assert [seen.waiting(db, 10_000, f"owner {number}") for number in range(8)] == [0] * 8
    assert len(seen._lengths) <= 3


def test_a_look_at_an_idle_house_is_soon_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(outlook, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(outlook, "SHARE", 1.0)
    seen = Outlook()

    def workers() -> int:
        with database.reading() as db:
            seen.foresee(db)
        assert seen.forecast is not None
        return seen.forecast.workers

    _add(database, 2)
    assert workers() == 0
    must_claim(database, "w1")
    eventually(lambda: workers() == 1)
    must_claim(database, "w2")
    assert workers() == 1  # as it was


def test_the_speed_is_that_of_the_jobs_that_ended_lately(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(database, 4)
    with database.reading() as db:
        assert Outlook().measure(db) == outlook.TINY_JOBS_A_SECOND  # none had the time to end
    for number in range(3):
        claimed = must_claim(database, f"w{number}")
        with database.session() as db:
            claims.fail(db, claimed, {"code": "diverged", "detail": "it did"})
    with database.session() as db:
        db.execute(update(Event).values(at=Event.at - 30))
    with database.reading() as db:
        assert Outlook().measure(db) == pytest.approx(3 / 30, rel=0.2)
        monkeypatch.setattr(outlook, "WINDOW_SECONDS", 1.0)
        assert Outlook().measure(db) == outlook.TINY_JOBS_A_SECOND  # that was long ago


def test_a_minute_in_which_none_ended_tells_that_jobs_are_long(database: Database) -> None:
    _add(database, 1)
    with database.session() as db:
        db.execute(update(Event).values(at=Event.at - 50))
    with database.reading() as db:
        assert Outlook().measure(db) == pytest.approx(1 / 50, rel=0.2)
