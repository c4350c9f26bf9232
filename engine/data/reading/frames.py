"""What a file holds as frames of typed cells, some rows at a time: kept as a table, or as a Parquet file.

A column's type shows only at its end. So a reader assumes types from the first rows, and where late cells
prove it wrong it says so: then the types are known, and all is read once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Protocol, TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from engine.data.profile import ColumnType, Profile
from engine.data.stored import StoredTable
from engine.data.table import POLARS_TYPES, Table, parquet_options
from engine.errors import BadData

_T = TypeVar("_T")


class Mistyped(Exception):
    """Late cells are not of their column's assumed type; the types are known now: read again."""


class Frames(Protocol):
    """A file that is understood, but not read yet."""

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns in file order."""

    def read(self) -> Iterator[pl.DataFrame]:
        """All rows, of these types. Raises BadData with the first problems, and Mistyped once at most."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the reading, once it is over."""


class WholeTable:
    """A table that was read in one piece, as frames of one."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.notes = table.notes

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns in file order."""
        return {column.name: column.type for column in self.table.columns}

    def read(self) -> Iterator[pl.DataFrame]:
        """All rows."""
        yield self.table.frame()


def to_table(frames: Frames) -> Table:
    """All rows in memory; raises BadData."""
    if isinstance(frames, WholeTable):
        return frames.table
    return Table.from_frame(_twice(lambda: _whole(frames)), frames.notes)


def to_parquet(frames: Frames, file: BinaryIO) -> Profile:
    """All rows as a Parquet file and what is in it, in memory of some rows and one column; raises BadData.

    The bytes are those of `Table.to_parquet`. `file` is one on the disk, open for reading too.
    """
    _twice(lambda: _write(frames, file))
    return StoredTable(file).profile(frames.notes)


def _write(frames: Frames, file: BinaryIO) -> None:
    raised: list[Exception] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield from frames.read()
        except (BadData, Mistyped) as error:
            raised.append(error)  # polars would make another of it: it sees an end

    os.ftruncate(file.fileno(), 0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # polars goes on from there, past what Python knows of the file
    schema = _schema(frames)
    register_io_source(source, schema=schema).sink_parquet(file, **parquet_options(len(schema)))
    if raised:
        raise raised[0]


def _whole(frames: Frames) -> pl.DataFrame:
    empty = pl.DataFrame(schema=_schema(frames))
    return pl.concat([empty, *frames.read()], rechunk=True)


def _schema(frames: Frames) -> dict[str, pl.DataType]:
    return {name: POLARS_TYPES[kind] for name, kind in frames.types.items()}


def _twice(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except Mistyped:
        return read()
