"""The memory of the service: tables and every query on them. Imports no Flask and no queue."""

import sqlite3
from contextlib import closing
from pathlib import Path

HEAD = "0014"  # the newest revision in migrations/; a test holds the two together


def is_current_file(path: Path) -> bool:
    """Says whether a SQLite file is at HEAD, or newer; without SQLAlchemy, for every start waits for this."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found: tuple[str] | None = connection.execute(
                "SELECT version_num FROM alembic_version"
            ).fetchone()
        except sqlite3.Error:
            return False
    return found is not None and found[0] >= HEAD
