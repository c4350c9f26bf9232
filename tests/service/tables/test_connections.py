"""Connections: reading changes nothing, and what broke while it rested is replaced."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


_READERS_OF_ALL = """
import sys
from contextlib import ExitStack
import psutil
from sqlalchemy import text
from service.tables.base import Database

database = Database(f"sqlite:///{sys.argv[1]}", pool_size=8)
with database.session() as db:
    db.execute(text("CREATE TABLE pages (bytes BLOB)"))
    db.execute(text(
        "INSERT INTO pages WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "SELECT randomblob(3900) FROM n"
    ))
with ExitStack() as readers:
    sessions = [readers.enter_context(database.reading()) for _ in range(8)]
    before = psutil.Process().memory_full_info().uss
    for db in sessions:
        assert db.scalar(text("SELECT sum(length(hex(bytes))) FROM pages")) == 7_800_000
    print(psutil.Process().memory_full_info().uss - before)
"""


def test_many_who_read_a_whole_sqlite_database_do_not_keep_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _READERS_OF_ALL, str(tmp_path / "pages.db")]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 6 * 2**20  # SQLite's own bound is 2 MB each
