"""The line of processes before SQLite's one writer, in which they come one after the other.

SQLite has a lock and no line: who finds it taken sleeps for ever longer, up to 0.1 s, while others that have
just given it back take it again; under load some waited for more than a second, and often nobody wrote. So
who wants to write locks a file beside the database first, asks for the database in short pauses, and leaves
the file to the next one as soon as it has it: who has just written must stand in line anew. Threads of one
process come one after the other already (service.tables.turns).

The file is a courtesy: SQLite's own lock is what keeps writers apart. Who has stood in line for long goes on
without it, and for a while does not come back: one that is stopped in it holds others up now and then only.
"""

import fcntl
import os
import sqlite3
import time
from pathlib import Path

COURTESY_SECONDS = 0.5  # in line, after which one goes on without,
AWAY_SECONDS = 10.0  # and does so for so long
IN_LINE_SECONDS = 0.001  # between two looks whether it is one's turn,
AT_THE_HEAD_SECONDS = 0.0003  # and whether the database is free


class Line:
    """One process's place before the database at a path; one thread at a time stands in it."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-line")
        self._file = -1
        self._away_until = 0.0

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def begin(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Begins a transaction that writes.

        Raises OperationalError where the database has been locked for so long, or something else is wrong.
        """
        connection.execute("PRAGMA busy_timeout = 0")  # the pauses are ours
        until, standing = time.monotonic() + seconds, self._enter()
        try:
            while not _begun(connection, last=time.monotonic() > until):
                time.sleep(AT_THE_HEAD_SECONDS)
        finally:
            if standing:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            connection.execute(f"PRAGMA busy_timeout = {1000 * seconds:.0f}")

    def _enter(self) -> bool:
        """Whether the file is ours; not where it can't be had."""
        now = time.monotonic()
        if now < self._away_until:
            return False
        until = now + COURTESY_SECONDS
        while now < until:
            try:
                if self._file < 0:
                    self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(IN_LINE_SECONDS)
                now = time.monotonic()
            except OSError:
                break  # no room for a file, or no such locks: then as SQLite does it
            else:
                return True
        self._away_until = now + AWAY_SECONDS
        return False


def _begun(connection: sqlite3.Connection, *, last: bool) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # The last byte tells the kind: a database that is read anew after a crash is busy, too.
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
