"""A table of typed columns, and the profile that tells what is in it."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.errors import BadData

ColumnType = Literal["number", "boolean", "category"]

CLASS_VALUES = 100
"""A number column with at most this many distinct values lists them in its profile."""
HISTOGRAM_BINS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """One named column.

    `values`, one element a row: of a number float64, of a boolean float64 0 or 1, either with NaN where
    missing; of a category int64 positions in `categories` (sorted text), −1 where missing.
    """

    name: str
    type: ColumnType
    values: NDArray[Any]
    categories: tuple[str, ...] = ()

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Row by row, whether the cell is empty."""
        missing: NDArray[np.bool_] = self.values < 0 if self.type == "category" else np.isnan(self.values)
        return missing

    @property
    def is_integer(self) -> bool:
        """Whether every number present is whole, so that it reads as an integer."""
        present = self.values[~self.is_missing]
        return self.type == "number" and bool(
            np.all(present == np.round(present)) and np.all(np.abs(present) < 2**53)
        )

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


def category_column(name: str, texts: list[str | None]) -> Column:
    """A column of text, its categories in sorted order."""
    categories = tuple(sorted({text for text in texts if text is not None}))
    codes = {category: code for code, category in enumerate(categories)}
    values = np.array([-1 if text is None else codes[text] for text in texts], dtype=np.int64)
    return Column(name, "category", values, categories)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is known of one column without its rows.

    `std` is the population's standard deviation. `categories` counts each text or boolean, and each
    number too where there are at most CLASS_VALUES distinct ones. `histogram` counts numbers in bins of
    equal width from min to max, the last one closed.
    """

    name: str
    type: ColumnType
    missing: int
    distinct: int
    integer: bool = False
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    categories: tuple[tuple[Any, int], ...] = ()
    histogram: tuple[int, ...] = ()

    def public(self) -> dict[str, Any]:
        """The members that the API shows."""
        named = ("name", "type", "missing", "distinct")
        document: dict[str, Any] = {name: getattr(self, name) for name in named}
        if self.type == "number":
            statistics = {"min": self.min, "max": self.max, "mean": self.mean, "std": self.std}
            return document | statistics | {"histogram": list(self.histogram)}
        return document | {
            "categories": [{"value": value, "count": count} for value, count in self.categories]
        }


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a table without its rows, enough to check a training spec against."""

    row_count: int
    columns: tuple[ColumnProfile, ...]
    warnings: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnProfile | None:
        """The profile of the column called `name`, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in file order."""
        return tuple(column.name for column in self.columns)

    def public_columns(self) -> list[dict[str, Any]]:
        """The `columns` member of a dataset in the API."""
        return [column.public() for column in self.columns]

    def to_document(self) -> dict[str, Any]:
        """As JSON, to be stored."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Profile:
        """The profile that `to_document` wrote."""
        columns = [
            ColumnProfile(
                **{
                    **column,
                    "categories": tuple((value, count) for value, count in column["categories"]),
                    "histogram": tuple(column["histogram"]),
                }
            )
            for column in document["columns"]
        ]
        return cls(document["row_count"], tuple(columns), tuple(document["warnings"]))


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
        columns = tuple(_profile_of(column) for column in self.columns)
        return Profile(self.row_count, columns, self.notes + tuple(_warnings(columns, self.row_count)))

    def to_parquet(self) -> bytes:
        """As a Parquet file; equal tables give equal bytes."""
        frame = pl.DataFrame([_series(column) for column in self.columns])
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes) -> Table:
        """The table that `to_parquet` wrote."""
        frame = pl.read_parquet(io.BytesIO(data))
        return cls(tuple(_column(series) for series in frame), frame.height)


def _series(column: Column) -> pl.Series:
    if column.type == "category":
        return pl.Series(column.name, column.cells(), dtype=pl.String)
    if column.type == "boolean":
        return pl.Series(column.name, column.cells(), dtype=pl.Boolean)
    return pl.Series(column.name, column.values, nan_to_null=True)


def _column(series: pl.Series) -> Column:
    if series.dtype == pl.String:
        return category_column(series.name, series.to_list())
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Column(series.name, "boolean" if series.dtype == pl.Boolean else "number", values)


def _profile_of(column: Column) -> ColumnProfile:
    present = column.values[~column.is_missing]
    values, counts = np.unique(present, return_counts=True)
    missing = len(column.values) - len(present)
    if column.type == "number":
        listed = (
            _counted(values, counts, int if column.is_integer else float)
            if len(values) <= CLASS_VALUES
            else ()
        )
        low, high = (float(values[0]), float(values[-1])) if len(values) else (None, None)
        mean, std = mean_and_deviation(present) if len(values) else (None, None)
        return ColumnProfile(
            column.name,
            "number",
            missing,
            len(values),
            column.is_integer,
            low,
            high,
            mean,
            std,
            listed,
            _histogram(values, counts),
        )
    read = bool if column.type == "boolean" else lambda code: column.categories[int(code)]
    return ColumnProfile(
        column.name, column.type, missing, len(values), categories=_counted(values, counts, read)
    )


def _histogram(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[int, ...]:
    """Counts in bins of equal width between the least and the greatest of the sorted distinct values."""
    if not len(values):
        return ()
    edges = np.linspace(values[0] / 2.0, values[-1] / 2.0, HISTOGRAM_BINS + 1)  # halved: no overflow
    bins = np.clip(np.searchsorted(edges, values / 2.0, side="right") - 1, 0, HISTOGRAM_BINS - 1)
    return tuple(np.bincount(bins, counts, HISTOGRAM_BINS).astype(np.int64).tolist())


def mean_and_deviation(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """The mean and the population's standard deviation; squares of large numbers do not overflow."""
    greatest = float(np.abs(numbers).max())
    unit = greatest if greatest > 1e150 else 1.0
    shares = numbers / unit
    return unit * float(shares.mean()), unit * float(shares.std())


def _counted(values: NDArray[Any], counts: NDArray[Any], read: Any) -> tuple[tuple[Any, int], ...]:
    return tuple((read(value), count) for value, count in zip(values.tolist(), counts.tolist(), strict=True))


def _warnings(columns: tuple[ColumnProfile, ...], row_count: int) -> list[str]:
    warnings = []
    for column in columns:
        if column.distinct == 0:
            warnings.append(f'column "{column.name}" is empty')
        elif column.distinct == 1:
            warnings.append(f'column "{column.name}" is constant')
        elif is_identifier(column):
            warnings.append(
                f'column "{column.name}" is text with {column.distinct} distinct values in {row_count} rows; '
                "it is left out of the features unless they name it"
            )
    return warnings


def is_identifier(column: ColumnProfile) -> bool:
    """Whether a column is text with every value distinct: it names rows and says nothing about others."""
    return column.type == "category" and sum(n for _, n in column.categories) == column.distinct > 1
