"""Connections: reading changes nothing, and what broke while it rested is replaced."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select, text, update

from service.settings import Settings
from service.tables import connections
from service.tables.base import Database, is_transient
from service.tables.connections import WroteWhileReading
from service.tables.jobs import Job
from tests.service.tables.rows import add_job, read


def test_who_reads_cannot_change_a_row(database: Database) -> None:
    job = add_job(database)
    for statement in (update(Job).values(owner="other"), delete(Job)):
        with pytest.raises(WroteWhileReading, match="changes nothing"), database.reading() as db:
            db.execute(statement)
    assert read(database, job.id).owner == "local"
    with database.session() as db:
        db.execute(update(Job).values(owner="other"))
    assert read(database, job.id).owner == "other"


@pytest.fixture
def postgresql(postgres_url: str) -> Iterator[Database]:
    """A database with one connection."""
    database = Database(postgres_url, pool_size=1)
    yield database
    database.close()


def _break_connection(postgresql: Database, postgres_url: str) -> None:
    with postgresql.reading() as db:
        process = db.scalar(text("SELECT pg_backend_pid()"))
    other = Database(postgres_url, pool_size=1)
    with other.session() as db:
        db.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
        gone = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process")
        while db.scalar(gone, {"process": process}):
            db.execute(text("SELECT pg_stat_clear_snapshot()"))
    other.close()


def test_a_connection_that_broke_while_it_rested_is_replaced(
    postgresql: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_RESTED_SECONDS", 0.0)
    _break_connection(postgresql, postgres_url)
    with postgresql.session() as db:
        assert db.scalar(select(1)) == 1


def test_one_that_broke_just_now_fails_once_and_may_be_tried_again(
    postgresql: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_RESTED_SECONDS", 60.0)
    _break_connection(postgresql, postgres_url)
    with pytest.raises(Exception, match="terminat") as broken, postgresql.session() as db:
        db.scalar(select(1))
    assert is_transient(broken.value)
    assert postgresql.persist(lambda db: db.scalar(select(1))) == 1


def test_a_host_that_is_gone_is_noticed_within_a_lease(postgresql: Database) -> None:
    parts = ("idle", "interval", "count")
    idle, interval, count = (connections._SERVER[f"tcp_keepalives_{part}"] for part in parts)
    assert idle + interval * count < Settings().lease_seconds
    with postgresql.reading() as db:
        assert db.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
