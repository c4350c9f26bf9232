"""Statements that read columns, or write rows, without the session's part in them.

A session looks through every statement for objects to load, to update or to write first; where there are none
that takes as long as the rest, and of an UPDATE twice as long, while on SQLite all other writers wait.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Executable, inspect
from sqlalchemy.orm import Session

_T = TypeVar("_T")

Source = Session | Connection  # what columns can be read from


def execute(
    db: Source, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
) -> CursorResult[*tuple[Any, ...]]:
    """What a statement of columns gives, in the transaction of `db`; no object is told."""
    if isinstance(db, Session):
        db.flush()  # what was added is there for the statement, as it is for the session's own
        db = db.connection()
    return db.execute(statement, parameters or None)


class Whole(Generic[_T]):
    """A kind of rows, for statements that select whole ones and give objects that no session knows.

    Those are to be read: what is set in them is written nowhere. To load one, a session takes twice as long.
    """

    def __init__(self, kind: type[_T]) -> None:
        mapper = inspect(kind)
        self.columns = tuple(attribute.columns[0] for attribute in mapper.column_attrs)
        self.key = mapper.primary_key[0]
        self._names = tuple(attribute.key for attribute in mapper.column_attrs)
        self._new = mapper.class_manager.new_instance

    def made_of(self, values: Sequence[Any]) -> _T:
        """The object whose `columns` have these values."""
        made = self._new()
        vars(made).update(zip(self._names, values, strict=True))
        return cast("_T", made)
