"""A table of typed columns in memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.data.profile import ColumnType, Profile, Slices, is_integer, profile_of
from engine.errors import BadData

POLARS_TYPES: dict[ColumnType, Any] = {"number": pl.Float64, "boolean": pl.Boolean, "category": pl.String}
"""As which type a column's cells travel in frames; a missing one is null."""
ROW_GROUP_CELLS, ROW_GROUP_ROWS = 2**20, 2**17


@dataclass(frozen=True, slots=True)
class Column:
    """One named column.

    `values`, one element a row: of a number float64, of a boolean float64 0 or 1, either with NaN where
    missing; of a category int64 positions in `categories` (sorted text), −1 where missing. `whole` says of
    some rows of a longer column whether all of that reads as integers.
    """

    name: str
    type: ColumnType
    values: NDArray[Any]
    categories: tuple[str, ...] = ()
    whole: bool | None = None

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Row by row, whether the cell is empty."""
        missing: NDArray[np.bool_] = self.values < 0 if self.type == "category" else np.isnan(self.values)
        return missing

    @property
    def is_integer(self) -> bool:
        """Whether every number present is whole, so that it reads as an integer."""
        if self.whole is not None:
            return self.whole
        return self.type == "number" and is_integer(self.values[~self.is_missing])

    def cells(self, start: int = 0, stop: int | None = None) -> list[Any]:
        """The cells of some rows as JSON has them: numbers, booleans, text, None where missing."""
        read: Any = float
        if self.type == "category":
            return [self.categories[code] if code >= 0 else None for code in self.values[start:stop].tolist()]
        if self.type == "boolean":
            read = bool
        elif self.is_integer:
            read = int
        return [None if cell != cell else read(cell) for cell in self.values[start:stop].tolist()]

    def take(self, rows: NDArray[np.int64]) -> Column:
        """The same column with some of its rows."""
        return Column(self.name, self.type, self.values[rows], self.categories)

    def series(self) -> pl.Series:
        """The cells as they travel in frames."""
        if self.type == "category":
            codes = pl.Series(self.values)
            texts = pl.Series(self.categories, dtype=pl.String)
            return texts.gather(codes.set(codes < 0, None)).alias(self.name)
        cells = pl.Series(self.name, self.values, nan_to_null=True)
        return cells.cast(POLARS_TYPES[self.type])


def category_column(name: str, texts: list[str | None]) -> Column:
    """A column of text, its categories in sorted order."""
    return column_of(pl.Series(name, texts, dtype=pl.String))


def column_of(series: pl.Series) -> Column:
    """The column of cells that came in a frame."""
    if series.dtype == pl.String:
        texts = series.drop_nulls().unique().sort()  # as bytes of UTF-8, which is Python's order too
        codes = series.cast(pl.Enum(texts)).to_physical().cast(pl.Int64).fill_null(-1)
        return Column(series.name, "category", codes.to_numpy(), tuple(texts.to_list()))
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Column(series.name, "boolean" if series.dtype == pl.Boolean else "number", values)


@dataclass(frozen=True)
class Table:
    """Columns of equal length; `notes` are warnings from reading them."""

    columns: tuple[Column, ...]
    row_count: int
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in file order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column called `name`; raises BadData where the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise BadData.because(f'the table has no column "{name}"', code="unknown_column")

    def rows(self, start: int, stop: int) -> list[list[Any]]:
        """Rows from `start` up to `stop` as JSON has them."""
        return [
            list(row) for row in zip(*(column.cells(start, stop) for column in self.columns), strict=True)
        ]

    def take(self, rows: NDArray[np.int64]) -> Table:
        """The table of some of the rows, in the order given."""
        return Table(tuple(column.take(rows) for column in self.columns), len(rows), self.notes)

    def profile(self) -> Profile:
        """What is in the table, with warnings of what a user should know."""
        return self._profile

    @cached_property
    def _profile(self) -> Profile:
        slices = [Slices(each.name, each.type, _one(each)) for each in self.columns]
        return profile_of(slices, self.row_count, self.notes)

    def frame(self) -> pl.DataFrame:
        """All cells as a frame."""
        return pl.DataFrame([column.series() for column in self.columns])

    def to_parquet(self) -> bytes:
        """As a Parquet file; equal tables give equal bytes."""
        buffer = io.BytesIO()
        self.frame().write_parquet(buffer, **parquet_options(len(self.columns)))
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes | BinaryIO) -> Table:
        """The table that `to_parquet` wrote."""
        return cls.from_frame(pl.read_parquet(io.BytesIO(data) if isinstance(data, bytes) else data))

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, notes: tuple[str, ...] = ()) -> Table:
        """The table of a frame's cells; the frame is used up, so that nothing is held twice."""
        rows = frame.height
        columns = tuple(column_of(frame.drop_in_place(name)) for name in frame.columns)
        return cls(columns, rows, notes)


def _one(column: Column) -> Any:
    return lambda: iter((column.series(),))


def parquet_options(columns: int) -> dict[str, Any]:
    """How tables are kept: groups of rows that a reader can hold, whatever wrote them."""
    rows = max(1, min(ROW_GROUP_ROWS, ROW_GROUP_CELLS // max(columns, 1)))
    return {"compression": "zstd", "compression_level": 1, "statistics": False, "row_group_size": rows}
