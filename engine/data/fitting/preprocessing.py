"""From a table's columns to the network's numbers, fitted on the training rows and kept with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.profile import ColumnType, mean_and_deviation
from engine.data.table import Column, Table
from engine.errors import BadData, Problem

Array = NDArray[np.float64]
RARE = "(rare)"
"""What the input that rare categories share is called where inputs are named."""


@dataclass(frozen=True, slots=True)
class Input:
    """One raw input: how its column becomes network inputs.

    A number or boolean x becomes (x − offset) / scale, with `fill` for a missing one (None: missing is
    refused). A category becomes one 0-or-1 input for each of `categories` and one that all `rare` ones
    share; `fill` is then a position among these `members`. With `indicator` a last input is 1 where the
    cell was missing. `lowest` and `highest` are the least and greatest number seen in training.
    """

    name: str
    type: ColumnType
    categories: tuple[str, ...] = ()
    offset: float = 0.0
    scale: float = 1.0
    fill: float | None = None
    lowest: float | None = None
    highest: float | None = None
    ignore_unknown: bool = False
    rare: tuple[str, ...] = ()
    indicator: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """What each 0-or-1 input of a category stands for."""
        return (*self.categories, RARE) if self.rare else self.categories

    @property
    def known(self) -> tuple[str, ...]:
        """Every category that was there in training, sorted."""
        return tuple(sorted(self.categories + self.rare))

    @property
    def width(self) -> int:
        """The number of network inputs."""
        return (max(len(self.members), 1) if self.type == "category" else 1) + self.indicator

    def position(self, category: str) -> int | None:
        """A category's position among the members; None for one never seen."""
        if category in self.categories:
            return self.categories.index(category)
        return len(self.categories) if category in self.rare else None

    def filled(self, cell: float) -> float:
        """One raw cell, a missing one as what fills it in."""
        missing = cell < 0.0 if self.type == "category" else cell != cell
        return self.fill if missing and self.fill is not None else cell

    def is_missing(self, cell: float) -> bool:
        """Whether a raw cell says that there is nothing."""
        return cell < 0.0 if self.type == "category" else cell != cell

    def encode(self, values: NDArray[Any]) -> Array:
        """(rows,) raw values, a category as its position → (rows, width) network inputs."""
        missing = values < 0 if self.type == "category" else np.isnan(values)
        filled = values if self.fill is None else np.where(missing, self.fill, values)
        if self.type == "category":
            positions = np.arange(self.width - self.indicator)
            encoded: Array = (filled[:, None] == positions).astype(np.float64)
        else:
            encoded = ((filled - self.offset) / self.scale)[:, None]
        return np.hstack([encoded, missing[:, None].astype(np.float64)]) if self.indicator else encoded

    def values_of(self, column: Column) -> NDArray[Any]:
        """A table's column as raw values for `encode`: of a category each position, −1 where missing."""
        if self.type != "category":
            return column.values
        unknown = len(self.members)  # beyond every position: encoded as none of the known
        found = [self.position(category) for category in column.categories]
        positions = np.array([unknown if at is None else at for at in found] + [-1], dtype=np.int64)
        taken: NDArray[np.int64] = positions[column.values]  # −1 takes the last: missing stays missing
        return taken


@dataclass(frozen=True, slots=True)
class Target:
    """What the network's scores stand for.

    With `classes`, a position in them; without, a number that was shifted and scaled for training:
    value = score · scale + offset.
    """

    name: str
    classes: tuple[Any, ...] | None = None
    offset: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Encoding:
    """The fitted preprocessing of a model: its inputs in order, and its target."""

    inputs: tuple[Input, ...]
    target: Target

    @property
    def width(self) -> int:
        """The number of network inputs."""
        return sum(column.width for column in self.inputs)

    def encode(self, table: Table) -> Array:
        """(rows, width): the table's feature columns as network inputs."""
        return np.hstack([i.encode(i.values_of(table.column(i.name))) for i in self.inputs])

    def encode_target(self, table: Table) -> Array:
        """(rows,): positions of classes, or scaled numbers."""
        column = table.column(self.target.name)
        if self.target.classes is None:
            scaled: Array = (column.values - self.target.offset) / self.target.scale
            return scaled
        return _positions(self.target, column).astype(np.float64)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Encoding:
        """The encoding that `to_document` wrote."""
        lists = ("categories", "rare")
        inputs = tuple(Input(**{**i, **{name: tuple(i[name]) for name in lists}}) for i in document["inputs"])
        target, classes = document["target"], document["target"]["classes"]
        return cls(inputs, Target(**{**target, "classes": None if classes is None else tuple(classes)}))


def _positions(target: Target, column: Column) -> NDArray[np.int64]:
    """(rows,) positions of a column's cells among the classes; raises BadData for a class unknown to them."""
    classes = {value: position for position, value in enumerate(target.classes or ())}
    present, codes = np.unique(column.values, return_inverse=True)
    values = [column.categories[code] for code in present] if column.type == "category" else present.tolist()
    unknown = [value for value in values if value not in classes]
    if unknown:
        known = ", ".join(str(value) for value in list(classes)[:20])
        raise BadData(
            Problem("", "unknown_class", f'target "{target.name}" holds {value}; the classes are {known}')
            for value in unknown[:20]
        )
    positions: NDArray[np.int64] = np.array([classes[value] for value in values], dtype=np.int64)[codes]
    return positions


def fit_encoding(
    table: Table,
    training_rows: NDArray[np.int64],
    features: tuple[str, ...],
    target: str,
    options: Mapping[str, Any],
    *,
    regression: bool,
) -> Encoding:
    """The encoding for `features` and `target`, its numbers fitted on the training rows alone.

    `options` are the spec's preprocessing: scale, missing, missing_indicator, unknown_category,
    min_category_rows, scale_target. Which categories and classes exist, and which columns have gaps at
    all, is read off all rows.
    """
    inputs = tuple(_fit_input(table.column(name), training_rows, options) for name in features)
    fit_target = _fit_number_target if regression else _fit_classes
    return Encoding(inputs, fit_target(table.column(target), training_rows, options))


def _fit_input(column: Column, training_rows: NDArray[np.int64], options: Mapping[str, Any]) -> Input:
    seen = column.take(training_rows)
    present = seen.values[~seen.is_missing]
    if not len(present):
        detail = f'column "{column.name}" is empty in all training rows'
        raise BadData.because(detail, code="missing_values", hint="leave the column out of the features")
    fill = _fill(present, column.type, options["missing"])
    indicator = options["missing_indicator"] and fill is not None and bool(column.is_missing.any())
    if column.type == "category":
        return _fit_category(column, present, fill, options, indicator=indicator)
    offset, scale = _scaling(present, options["scale"]) if column.type == "number" else (0.0, 1.0)
    low, high = float(present.min()), float(present.max())
    return Input(column.name, column.type, (), offset, scale, fill, low, high, indicator=indicator)


def _fit_category(
    column: Column,
    present: NDArray[np.int64],
    fill: float | None,
    options: Mapping[str, Any],
    *,
    indicator: bool,
) -> Input:
    codes = np.unique(column.values[~column.is_missing]).tolist()
    seen = np.bincount(present, minlength=len(column.categories))
    frequent = [code for code in codes if seen[code] >= options["min_category_rows"]]
    rare = [code for code in codes if seen[code] < options["min_category_rows"]]
    fitted = Input(
        column.name,
        "category",
        tuple(column.categories[code] for code in frequent),
        ignore_unknown=options["unknown_category"] == "ignore",
        rare=tuple(column.categories[code] for code in rare),
        indicator=indicator,
    )
    position = None if fill is None else fitted.position(column.categories[int(fill)])
    return replace(fitted, fill=None if position is None else float(position))


def _fill(present: NDArray[Any], kind: ColumnType, missing: str) -> float | None:
    """What stands in for a missing value; None where a missing value is an error."""
    if missing in ("error", "drop"):
        return None
    if kind == "number" and missing == "mean":
        return float(present.mean())
    if kind == "number" and missing == "median":
        return float(np.median(present))
    values, counts = np.unique(present, return_counts=True)
    return float(values[counts.argmax()])


def _scaling(present: Array, scale: str) -> tuple[float, float]:
    """The offset and the scale; a constant column keeps the scale 1."""
    if scale == "none":
        return 0.0, 1.0
    if present.min() == present.max():  # the rounding of its mean must not pass for a deviation
        return float(present[0]), 1.0
    if scale == "minmax":
        offset, width = float(present.min()), float(present.max() - present.min())
    elif scale == "robust":
        low, offset, high = (float(q) for q in np.quantile(present, (0.25, 0.5, 0.75)))
        width = high - low
    else:
        offset, width = mean_and_deviation(present)
    return offset, width or 1.0


def _fit_classes(column: Column, training_rows: NDArray[np.int64], options: Mapping[str, Any]) -> Target:
    if column.type == "category":
        codes = np.unique(column.values[~column.is_missing]).tolist()
        return Target(column.name, tuple(column.categories[code] for code in codes))
    values = np.unique(column.values).tolist()
    read: Any = bool if column.type == "boolean" else int if column.is_integer else float
    return Target(column.name, tuple(read(value) for value in values))


def _fit_number_target(
    column: Column, training_rows: NDArray[np.int64], options: Mapping[str, Any]
) -> Target:
    if not options["scale_target"]:
        return Target(column.name)
    return Target(column.name, None, *_scaling(column.values[training_rows], "standard"))
