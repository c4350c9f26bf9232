"""The ground under the tables: transactions, times, ids, pages."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.tables import datasets
from service.tables.base import Database, is_transient, new_id
from service.tables.datasets import Dataset


def _add(database: Database, name: str = "moons") -> Dataset:
    with database.session() as db:
        return datasets.add(db, owner="local", name=name, profile={"row_count": 1}, sha256="0" * 64, size=1)


def test_a_session_that_raises_leaves_nothing(database: Database) -> None:
    def add_and_break() -> None:
        with database.session() as db:
            datasets.add(db, owner="local", name="x", profile={"row_count": 1}, sha256="0" * 64, size=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_break()
    with database.reading() as db:
        assert datasets.page(db, "local", limit=10).items == []


def test_what_was_read_can_be_used_after_its_session(database: Database) -> None:
    dataset = _add(database)
    assert dataset.created_at.tzinfo is UTC
    assert abs((datetime.now(UTC) - dataset.created_at).total_seconds()) < 5


def test_writers_that_read_first_wait_for_each_other(database: Database) -> None:
    dataset = _add(database)

    def count_up() -> None:
        for _ in range(20):
            with database.session() as db:
                found = db.scalar(select(Dataset).where(Dataset.id == dataset.id).with_for_update())
                assert found is not None
                found.row_count += 1

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as db:
        assert db.get_one(Dataset, dataset.id).row_count == 81


def test_an_error_that_passes_is_told_from_one_that_stays(database: Database) -> None:
    _add(database)
    with pytest.raises(IntegrityError) as stays, database.session() as db:
        db.add(Dataset(id="ds_1", owner="local"))
    assert not is_transient(stays.value)
    assert is_transient(OperationalError("select 1", {}, Exception("database is locked")))
    assert not is_transient(RuntimeError())


def test_a_database_whose_connections_are_all_at_work_is_busy_for_a_while(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=1, busy_seconds=0.1)
    with database.reading() as one, database.reading() as two:
        one.connection()
        two.connection()
        with pytest.raises(PoolTimeout) as refusal, database.session() as three:
            three.connection()
    database.close()
    assert is_transient(refusal.value)


def test_a_writer_whose_turn_does_not_come_finds_the_database_locked(sqlite_url: str) -> None:
    database = Database(sqlite_url, busy_seconds=0.1)
    with database.session(), pytest.raises(OperationalError, match="locked") as refusal, database.session():
        pass
    database.close()
    assert is_transient(refusal.value)


def test_work_is_repeated_until_the_database_is_back(database: Database) -> None:
    calls = []

    def work(_db: object) -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("select 1", {}, Exception("away"))
        return "done"

    assert database.persist(work) == "done"
    assert len(calls) == 3


def test_work_is_given_up_when_its_budget_is_spent(database: Database) -> None:
    def work(_db: object) -> str:
        raise OperationalError("select 1", {}, Exception("away"))

    with pytest.raises(DBAPIError):
        database.persist(work, budget_seconds=0)


def test_what_is_used_while_all_is_closed_is_closed_behind_it(database: Database) -> None:
    with database.looking() as db:
        used: Any = db.connection.driver_connection
        database.close()
        assert db.execute(text("SELECT 1")).scalar() == 1
    with pytest.raises(Exception, match="closed"):
        used.execute("SELECT 1")
    with database.looking() as db:  # who comes later opens one
        assert db.execute(text("SELECT 1")).scalar() == 1


def test_ids_rise_and_never_repeat() -> None:
    ids = [new_id("job") for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert all(len(each) == 30 and each.startswith("job_") for each in ids)


def test_pages_hold_everything_once_newest_first(database: Database) -> None:
    made = [_add(database, f"d{number}").id for number in range(5)]
    seen, after = [], None
    while True:
        with database.reading() as db:
            page = datasets.page(db, "local", limit=2, after=after)
        seen += [each.id for each in page.items]
        after = page.next
        if after is None:
            break
    assert seen == made[::-1]
