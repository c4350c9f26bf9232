"""Copies all rows from one database into another, of either kind: the heart of backup and restore."""

from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from service.tables.base import Base, Database

ROWS_AT_ONCE = 200  # a checkpoint may be some megabytes


class NotEmpty(Exception):
    """The database that was to be filled holds rows already."""


def copy_all(source: Database, target: Database) -> dict[str, int]:
    """Copies every table as it is in one moment of `source`; the number of rows by table. Raises NotEmpty.

    Both must be at the revision of this code. Nothing is copied unless everything is.
    """
    tables = Base.metadata.sorted_tables  # those that others refer to first
    with source.snapshot() as reader, target.engine.begin() as writer:
        for table in tables:
            if writer.scalar(select(func.count()).select_from(table)):
                raise NotEmpty(f"the database holds {table.name} already")
        counts = {str(table.name): _copy(reader, writer, table) for table in tables}
        if writer.dialect.name == "postgresql":
            for table in tables:
                _go_on_counting(writer, table)
    return counts


def _copy(reader: Connection, writer: Connection, table: Table) -> int:
    count = 0
    rows = reader.execute(select(table).execution_options(yield_per=ROWS_AT_ONCE))
    for part in rows.mappings().partitions():
        writer.execute(insert(table), [dict(row) for row in part])
        count += len(part)
    return count


def _go_on_counting(writer: Connection, table: Table) -> None:
    """Makes the sequence of a counted key go on after the highest that was copied."""
    column: Any = table.autoincrement_column
    if column is None or not isinstance(column.type.python_type(), int):
        return
    highest = select(func.max(column)).scalar_subquery()
    sequence = func.pg_get_serial_sequence(text(f"'{table.name}'"), text(f"'{column.name}'"))
    writer.execute(select(func.setval(sequence, func.coalesce(highest, 0) + 1, False)))  # noqa: FBT003 - SQL's own
