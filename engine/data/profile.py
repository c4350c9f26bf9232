"""What is known of a table without its rows: types, gaps, statistics, counts; enough to check a spec against.

Worked out a column at a time, from cells that come some rows at a time: one column of numbers is the most
that is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

ColumnType = Literal["number", "boolean", "category"]

CLASS_VALUES = 100
"""A number column with at most this many distinct values lists them in its profile."""
LISTED_TEXTS = 1_000
"""A column of text with at most this many distinct values lists them; of one with more they are counted."""
HISTOGRAM_BINS = 20
BLOCK = 2**17  # numbers looked at in one step


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is known of one column without its rows.

    `std` is the population's standard deviation. `categories` counts each boolean, each text where there are
    at most LISTED_TEXTS, and each number where there are at most CLASS_VALUES distinct ones. `histogram`
    counts numbers in bins of equal width from min to max, the last one closed.
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


@dataclass(frozen=True, slots=True)
class Slices:
    """One column to be profiled: `read` gives all its cells, some rows at a time, as often as it is called.

    Numbers come as Float64, booleans as Boolean, text as String; null where missing.
    """

    name: str
    type: ColumnType
    read: Callable[[], Iterator[pl.Series]]


def profile_of(columns: Iterable[Slices], row_count: int, notes: tuple[str, ...] = ()) -> Profile:
    """The profile of these columns of `row_count` rows; `notes` come first among its warnings."""
    profiled = tuple(_PROFILES[column.type](column, row_count) for column in columns)
    return Profile(row_count, profiled, notes + tuple(_warnings(profiled, row_count)))


def _number_profile(column: Slices, row_count: int) -> ColumnProfile:
    values = _present(column, row_count, np.float64, lambda cells: cells)
    missing = row_count - len(values)
    if not len(values):
        return ColumnProfile(column.name, "number", missing, 0, integer=True)
    mean, deviation = mean_and_deviation(values)
    integer = is_integer(values)
    values.sort()
    starts = _run_starts(values, CLASS_VALUES)
    listed: tuple[tuple[Any, int], ...] = ()
    if len(starts) <= CLASS_VALUES:
        counts = np.diff(starts, append=len(values)).tolist()
        read: Any = int if integer else float
        listed = tuple((read(values[at]), count) for at, count in zip(starts, counts, strict=True))
    return ColumnProfile(
        column.name,
        "number",
        missing,
        len(starts) if listed else _run_count(values),
        integer,
        float(values[0]),
        float(values[-1]),
        mean,
        deviation,
        listed,
        _histogram(values),
    )


def _text_profile(column: Slices, row_count: int) -> ColumnProfile:
    # Equal texts have equal hashes of 64 bits; that two of ten million others have is one chance in 400,000.
    hashes = _present(column, row_count, np.uint64, lambda cells: cells.hash())
    missing = row_count - len(hashes)
    hashes.sort()
    distinct = _run_count(hashes)
    listed = _counted(column) if distinct <= LISTED_TEXTS else ()
    return ColumnProfile(column.name, "category", missing, distinct, categories=listed)


def _boolean_profile(column: Slices, row_count: int) -> ColumnProfile:
    counted = _counted(column)
    missing = row_count - sum(count for _, count in counted)
    return ColumnProfile(column.name, "boolean", missing, len(counted), categories=counted)


_PROFILES = {"number": _number_profile, "category": _text_profile, "boolean": _boolean_profile}


def _present(
    column: Slices, row_count: int, kind: type[Any], made_of: Callable[[pl.Series], pl.Series]
) -> NDArray[Any]:
    """(present,) what is made of the cells that are not missing."""
    values, count = np.empty(row_count, dtype=kind), 0
    for cells in column.read():
        present = made_of(cells.drop_nulls())
        values[count : count + len(present)] = present.to_numpy()
        count += len(present)
    return values[:count]


def _counted(column: Slices) -> tuple[tuple[Any, int], ...]:
    """Each value that is present and how often, in order."""
    counts: dict[Any, int] = {}
    for cells in column.read():
        for value, count in cells.drop_nulls().value_counts().iter_rows():
            counts[value] = counts.get(value, 0) + count
    return tuple(sorted(counts.items()))


def _blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (values[start : start + BLOCK] for start in range(0, len(values), BLOCK))


def is_integer(present: NDArray[np.float64]) -> bool:
    """Whether every number is whole, so that all read as integers."""
    return all(
        bool(np.all(block == np.round(block)) and np.all(np.abs(block) < 2**53)) for block in _blocks(present)
    )


def mean_and_deviation(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """The mean and the population's standard deviation; squares of large numbers do not overflow."""
    greatest = max(float(np.abs(block).max()) for block in _blocks(numbers))
    unit = greatest if greatest > 1e150 else 1.0
    mean = math.fsum(float((block / unit).sum()) for block in _blocks(numbers)) / len(numbers)
    squares = math.fsum(float(((block / unit - mean) ** 2).sum()) for block in _blocks(numbers))
    return unit * mean, unit * math.sqrt(squares / len(numbers))


def _run_count(values: NDArray[Any]) -> int:
    """The number of distinct ones of sorted values."""
    changes = sum(int(np.count_nonzero(part[1:] != part[:-1])) for part in _overlapping(values))
    return changes + bool(len(values))


def _run_starts(values: NDArray[Any], enough: int) -> NDArray[np.int64]:
    """Where each distinct one of sorted values begins; no further ones once there are more than `enough`."""
    starts, found = [np.zeros(1, dtype=np.int64)], 1
    for i, part in enumerate(_overlapping(values)):
        here = np.flatnonzero(part[1:] != part[:-1]) + 1 + i * BLOCK
        starts.append(here)
        found += len(here)
        if found > enough:
            break
    return np.concatenate(starts)


def _overlapping(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Blocks that each begin with the next one's first value."""
    return (values[start : start + BLOCK + 1] for start in range(0, len(values), BLOCK))


def _histogram(values: NDArray[np.float64]) -> tuple[int, ...]:
    """Counts of sorted numbers in bins of equal width between the least and the greatest."""
    halves = np.linspace(values[0] / 2.0, values[-1] / 2.0, HISTOGRAM_BINS + 1)  # halved: no overflow
    below = np.searchsorted(values, 2.0 * halves[1:-1], side="left")
    return tuple(np.diff(below, prepend=0, append=len(values)).tolist())


def _warnings(columns: tuple[ColumnProfile, ...], row_count: int) -> list[str]:
    warnings = []
    for column in columns:
        if column.distinct == 0:
            warnings.append(f'column "{column.name}" is empty')
        elif column.distinct == 1:
            warnings.append(f'column "{column.name}" is constant')
        elif is_identifier(column, row_count):
            warnings.append(
                f'column "{column.name}" is text with {column.distinct} distinct values in {row_count} rows; '
                "it is left out of the features unless they name it"
            )
    return warnings


def is_identifier(column: ColumnProfile, row_count: int) -> bool:
    """Whether a column is text with every value distinct: it names rows and says nothing about others."""
    return column.type == "category" and row_count - column.missing == column.distinct > 1
