"""The line before SQLite's one writer: one after the other, and never longer than it must be."""

import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.tables import line
from service.tables.base import Database, is_transient
from service.tables.line import Line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one table."""
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE numbers (n)")
    connection.close()
    return path


@pytest.fixture
def connect(path: Path) -> Iterator[Callable[[], sqlite3.Connection]]:
    """More connections, without transactions of their own."""
    made = []

    def make() -> sqlite3.Connection:
        made.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _write_on(path: Path, over: threading.Event, written: list[int]) -> None:
    """Writes without a pause, as a process with a long queue does; each time for 5 ms."""
    database = Database(f"sqlite:///{path}")
    while not over.is_set():
        with database.session() as db:
            db.execute(text("INSERT INTO numbers VALUES (1)"))
            over.wait(0.005)
        written.append(1)
    database.close()


def test_who_has_just_written_stands_in_line_anew(path: Path) -> None:
    database, over, written = Database(f"sqlite:///{path}"), threading.Event(), list[int]()
    busy = [threading.Thread(target=_write_on, args=(path, over, written)) for _ in range(2)]
    for thread in busy:
        thread.start()
    passed_by = []
    for _ in range(20):
        before = len(written)
        with database.session() as db:
            db.execute(text("INSERT INTO numbers VALUES (2)"))
            passed_by.append(len(written) - before)
        over.wait(0.01)
    over.set()
    for thread in busy:
        thread.join()
    database.close()
    assert sum(passed_by) / 20 < 10  # two others stand in line; without one, hundreds go first


def test_who_is_stopped_in_the_line_holds_nobody_up_for_long(
    path: Path, connect: Callable[[], sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "COURTESY_SECONDS", 0.05)
    with Path(f"{path}-line").open("w") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        connection, stood = connect(), Line(path)
        stood.begin(connection, 10)
        assert connection.in_transaction
        connection.execute("ROLLBACK")
        monkeypatch.setattr(line, "COURTESY_SECONDS", 60.0)
        stood.begin(connection, 10)  # it does not stand there again
        assert connection.in_transaction


def test_the_line_goes_on_as_soon_as_one_has_begun(
    path: Path, connect: Callable[[], sqlite3.Connection]
) -> None:
    connection = connect()
    Line(path).begin(connection, 10)
    with Path(f"{path}-line").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free, while that one writes
    assert connection.in_transaction


def test_a_database_that_stays_locked_is_told_so_and_the_next_may_try(
    path: Path, connect: Callable[[], sqlite3.Connection]
) -> None:
    holder, database = connect(), Database(f"sqlite:///{path}", busy_seconds=0.05)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked") as caught, database.session() as db:
        db.execute(text("INSERT INTO numbers VALUES (3)"))
    assert is_transient(caught.value)
    holder.execute("ROLLBACK")
    with database.session() as db:
        db.execute(text("INSERT INTO numbers VALUES (3)"))
        assert db.scalar(text("PRAGMA busy_timeout")) == 50  # what reads waits as it did
    database.close()


class Recovered(sqlite3.Connection):
    """At first another process reads the log anew, as after a crash."""

    recovering = 2

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Says twice that the database is busy, as SQLite does then."""
        if sql == "BEGIN IMMEDIATE" and self.recovering:
            self.recovering -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error
        return super().execute(sql, *values)


def test_a_database_that_is_read_anew_after_a_crash_is_waited_for(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None, factory=Recovered)
    Line(path).begin(connection, 10)
    assert connection.in_transaction
    connection.close()


def test_without_a_file_to_lock_writers_come_as_sqlite_lets_them(
    tmp_path: Path, connect: Callable[[], sqlite3.Connection]
) -> None:
    connection = connect()
    Line(tmp_path / "nowhere" / "some.db").begin(connection, 10)
    assert connection.in_transaction
