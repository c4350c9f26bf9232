"""From a table's columns to the network's numbers, fitted on the training rows and kept with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.table import Column, ColumnType, Table, mean_and_deviation
from engine.errors import BadData

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Input:
    """One raw input: how its column becomes network inputs.

    A number or boolean x becomes (x − offset) / scale, with `fill` for a missing one (None: missing is
    refused). A category becomes one 0-or-1 input for each of `categories`; `fill` is then a position.
    `lowest` and `highest` are the least and greatest number seen in training.
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

    @property
    def width(self) -> int:
        """The number of network inputs."""
        return max(len(self.categories), 1) if self.type == "category" else 1

    def encode(self, values: NDArray[Any]) -> Array:
        """(rows,) raw values, as a Column holds them → (rows, width) network inputs."""
        if self.type == "category":
            codes = np.where(values < 0, -1 if self.fill is None else int(self.fill), values)
            encoded: Array = (codes[:, None] == np.arange(self.width)).astype(np.float64)
            return encoded
        filled = values if self.fill is None else np.where(np.isnan(values), self.fill, values)
        scaled: Array = ((filled - self.offset) / self.scale)[:, None]
        return scaled


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
        return np.hstack([i.encode(table.column(i.name).values) for i in self.inputs])

    def encode_target(self, table: Table) -> Array:
        """(rows,): positions of classes, or scaled numbers."""
        column = table.column(self.target.name)
        if self.target.classes is None:
            scaled: Array = (column.values - self.target.offset) / self.target.scale
            return scaled
        if column.type == "category":
            return _positions(column).astype(np.float64)
        return np.searchsorted(np.array(self.target.classes, dtype=np.float64), column.values).astype(
            np.float64
        )

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Encoding:
        """The encoding that `to_document` wrote."""
        inputs = tuple(Input(**{**i, "categories": tuple(i["categories"])}) for i in document["inputs"])
        target, classes = document["target"], document["target"]["classes"]
        return cls(inputs, Target(**{**target, "classes": None if classes is None else tuple(classes)}))


def _positions(column: Column) -> NDArray[np.int64]:
    """Codes counted over the categories that occur."""
    return np.searchsorted(np.unique(column.values), column.values)


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

    `options` are the spec's preprocessing: scale, missing, unknown_category, scale_target. Which
    categories and classes exist is read off all rows.
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
    if column.type == "category":
        kept, codes = _occurring(column)
        fill = None if fill is None else float(np.searchsorted(codes, fill))
        ignore = options["unknown_category"] == "ignore"
        return Input(column.name, "category", kept, fill=fill, ignore_unknown=ignore)
    offset, scale = _scaling(present, options["scale"]) if column.type == "number" else (0.0, 1.0)
    low, high = float(present.min()), float(present.max())
    return Input(column.name, column.type, (), offset, scale, fill, low, high)


def _occurring(column: Column) -> tuple[tuple[str, ...], NDArray[Any]]:
    codes = np.unique(column.values[~column.is_missing])
    return tuple(column.categories[code] for code in codes.tolist()), codes


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
        return Target(column.name, _occurring(column)[0])
    values = np.unique(column.values).tolist()
    read: Any = bool if column.type == "boolean" else int if column.is_integer else float
    return Target(column.name, tuple(read(value) for value in values))


def _fit_number_target(
    column: Column, training_rows: NDArray[np.int64], options: Mapping[str, Any]
) -> Target:
    if not options["scale_target"]:
        return Target(column.name)
    return Target(column.name, None, *_scaling(column.values[training_rows], "standard"))
