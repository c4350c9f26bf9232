"""Statements that read columns, or write rows, without the session's part in them.

A session looks through every statement for objects to load, to update or to write first; where there are none
that takes as long as the rest, and of an UPDATE twice as long, while on SQLite all other writers wait.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Executable
from sqlalchemy.orm import Session


def execute(
    db: Session, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
) -> CursorResult[*tuple[Any, ...]]:
    """What a statement of columns gives, in the session's transaction; no object is told."""
    db.flush()  # what was added is there for the statement, as it is for the session's own
    return db.connection().execute(statement, parameters or None)
