"""A table as the Parquet file that it is kept as: read whole, a column or some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import polars as pl

from engine.data.profile import ColumnType, Profile, Slices, profile_of
from engine.data.table import Column, Table, column_of, parquet_options

ROWS_OF_A_COLUMN = 2**20  # read together where one column is looked at
_TYPES: dict[object, ColumnType] = {pl.String: "category", pl.Boolean: "boolean", pl.Float64: "number"}


class StoredTable:
    """A Parquet file that this package wrote, on the disk; held in memory is only what is asked for.

    `profile`, where it is known, tells of a column of numbers whether all of them read as integers.
    """

    def __init__(self, file: BinaryIO, profile: Profile | None = None) -> None:
        file.seek(0)
        self._lazy = pl.scan_parquet(file)
        self._schema = self._lazy.collect_schema()
        self.row_count = int(self._lazy.select(pl.len()).collect().item())
        columns = profile.columns if profile else ()
        self._whole = {column.name: column.integer for column in columns if column.type == "number"}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in file order."""
        return tuple(self._schema)

    @property
    def rows_at_once(self) -> int:
        """The rows of one group of the file, which a reader should take together."""
        rows: int = parquet_options(len(self._schema))["row_group_size"]
        return rows

    def rows(self, start: int, stop: int) -> Table:
        """The rows from `start` up to `stop`, fewer at the end."""
        return self._table(self._lazy.slice(start, max(0, stop - start)).collect())

    def parts(self, rows: int) -> Iterator[Table]:
        """All rows in order, at most so many at a time."""
        for start in range(0, self.row_count, self.rows_at_once):
            group = self._lazy.slice(start, self.rows_at_once).collect()
            yield from (self._table(part) for part in group.iter_slices(rows))

    def _table(self, frame: pl.DataFrame) -> Table:
        columns = tuple(self._column(series) for series in frame)
        return Table(columns, frame.height)

    def _column(self, series: pl.Series) -> Column:
        column = column_of(series)
        return Column(
            column.name, column.type, column.values, column.categories, self._whole.get(column.name)
        )

    def profile(self, notes: tuple[str, ...] = ()) -> Profile:
        """What is in the file, worked out column by column."""
        slices = [Slices(name, _TYPES[kind], self._slices_of(name)) for name, kind in self._schema.items()]
        return profile_of(slices, self.row_count, notes)

    def _slices_of(self, name: str) -> Callable[[], Iterator[pl.Series]]:
        def read() -> Iterator[pl.Series]:
            column = self._lazy.select(name)
            for start in range(0, self.row_count, ROWS_OF_A_COLUMN):
                yield column.slice(start, ROWS_OF_A_COLUMN).collect().to_series()

        return read
