"""Rows to predict as one array: read from JSON, columns or a matrix, encoded, checked for their range.

What all rows of a model share is worked out once; where all inputs are numbers, nothing is done cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.fitting.preprocessing import Input
from engine.errors import BadData, Problem, escaped
from engine.models.instances import MAX_PROBLEMS, read_cells
from engine.registry import hint_of, listed
from engine.spec.rules import shown

Array = NDArray[np.float64]
NUMBERS = {float, int}  # a bool among floats would silently become 1.0


class RowReader:
    """Reads rows for a model's `inputs`. Rows are (rows, inputs) raw cells: a category as its position, −1
    where it is missing; a number as itself, NaN where it is missing."""

    def __init__(self, inputs: tuple[Input, ...]) -> None:
        self._inputs = inputs
        self._names = [each.name for each in inputs]
        self._are_numbers = all(each.type == "number" for each in inputs)
        self._are_plain = all(each.type != "category" and not each.indicator for each in inputs)
        self._offset = np.array([each.offset for each in inputs])
        self._scale = np.array([each.scale for each in inputs])
        self._fill = np.array([np.nan if each.fill is None else each.fill for each in inputs])
        self._lowest = _bounds(-np.inf, (each.lowest for each in inputs))
        self._highest = _bounds(np.inf, (each.highest for each in inputs))

    def read(self, instances: Sequence[Any], pointer: str = "/instances") -> Array:
        """Objects by name or arrays in the inputs' order; raises BadData with a pointer to what is wrong."""
        rows = self._quick_rows(instances) if self._are_numbers else None
        return self._checked_rows(instances, pointer) if rows is None else rows

    def read_columns(self, columns: Mapping[str, Any], pointer: str = "/columns") -> Array:
        """Sequences of cells by name, all of one length; raises BadData."""
        self._check_names(columns, pointer)
        cells = [columns[name] for name in self._names]
        if self._are_numbers:
            rows = _quick_numbers(cells, len(self._names), len(cells[0]))
            if rows is not None:
                return np.ascontiguousarray(rows.T)
        try:
            return self._checked_rows(list(map(list, zip(*cells, strict=True))), "")
        except BadData as error:
            raise BadData(self._by_column(error.problems, pointer)) from None

    def read_matrix(self, matrix: Array) -> Array:
        """(rows, inputs) numbers, NaN for missing, booleans as 0 and 1; raises BadData."""
        inputs = matrix.shape[1]
        if inputs != len(self._inputs):
            names = ", ".join(self._names)
            detail = f"the rows have {inputs} values, the model has {len(self._inputs)} inputs"
            raise BadData.because(detail, code="wrong_count", hint=f"give {names} in this order")
        texts = [each.name for each in self._inputs if each.type == "category"]
        if texts:
            detail = f'input "{texts[0]}" is text, and a matrix holds numbers only'
            raise BadData.because(detail, code="wrong_type", hint="send JSON or Arrow")
        if not (self._are_numbers and np.isfinite(matrix).all()):
            self._check_matrix(matrix)
        return matrix

    def encode(self, rows: Array) -> Array:
        """(rows, encoded width): what the network sees."""
        with np.errstate(over="ignore"):  # a huge number may become infinite: the scores will show it
            if not self._are_plain:
                return np.hstack([each.encode(rows[:, i]) for i, each in enumerate(self._inputs)])
            missing = np.isnan(rows)
            filled = np.where(missing, self._fill, rows) if np.count_nonzero(missing) else rows
            encoded: Array = (filled - self._offset) / self._scale
            return encoded

    def warnings(self, rows: Array) -> dict[int, list[str]]:
        """By row, which inputs lie outside the range that the model was trained on; mostly none."""
        outside = (rows < self._lowest) | (rows > self._highest)
        found: dict[int, list[str]] = {}
        if np.count_nonzero(outside):  # a third of what any() costs, before every answer
            for row, column in zip(*(each.tolist() for each in np.nonzero(outside)), strict=True):
                found.setdefault(row, []).append(self._warning(column, rows[row, column]))
        return found

    def _warning(self, column: int, value: float) -> str:
        low, high = self._lowest[column], self._highest[column]
        return f'"{self._names[column]}" is {value:g}, outside the {low:g} to {high:g} seen in training'

    def _quick_rows(self, instances: Sequence[Any]) -> Array | None:
        kinds, width = set(map(type, instances)), len(self._names)
        if not kinds <= {dict, list} or len(kinds) != 1 or set(map(len, instances)) != {width}:
            return None
        if kinds == {list}:
            return _quick_numbers(instances, len(instances), width)
        try:
            return _quick_numbers(
                [list(map(row.__getitem__, self._names)) for row in instances], len(instances), width
            )
        except KeyError:
            return None

    def _checked_rows(self, instances: Sequence[Any], pointer: str) -> Array:
        rows: list[list[float]] = []
        problems: list[Problem] = []
        for i, instance in enumerate(instances):
            try:
                rows.append(read_cells(self._inputs, instance, f"{pointer}/{i}"))
            except BadData as error:
                problems += error.problems
                if len(problems) >= MAX_PROBLEMS:
                    break
        if problems:
            raise BadData(problems[:MAX_PROBLEMS])
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._inputs))

    def _check_names(self, columns: Mapping[str, Any], pointer: str) -> None:
        known, names = listed(self._names), frozenset(self._names)
        problems = [
            Problem(
                f"{pointer}/{escaped(str(name))}",
                "unknown_field",
                f"the model has no input {shown(name)}; its inputs are {known}",
                hint_of(str(name), self._names),
            )
            for name in islice((name for name in columns if name not in names), MAX_PROBLEMS)
        ]
        problems += [
            Problem(f"{pointer}/{escaped(name)}", "missing_field", f'input "{name}" is missing')
            for name in self._names
            if name not in columns
        ]
        if problems:
            raise BadData(problems[:MAX_PROBLEMS])

    def _by_column(self, problems: Iterable[Problem], pointer: str) -> Iterable[Problem]:
        for problem in problems:
            _, row, *column = problem.pointer.split("/")
            name = escaped(self._names[int(column[0])])
            yield Problem(f"{pointer}/{name}/{row}", problem.code, problem.detail, problem.hint)

    def _check_matrix(self, matrix: Array) -> None:
        missing = np.isnan(matrix)
        wrong = np.isinf(matrix) | (missing & np.isnan(self._fill))
        flags = np.array([each.type == "boolean" for each in self._inputs])
        wrong |= flags & ~missing & (matrix != 0.0) & (matrix != 1.0)
        cells = islice(np.argwhere(wrong).tolist(), MAX_PROBLEMS)
        problems = [self._wrong_cell(row, column, matrix[row, column]) for row, column in cells]
        if problems:
            raise BadData(problems)

    def _wrong_cell(self, row: int, column: int, value: float) -> Problem:
        wanted = "0 or 1" if self._inputs[column].type == "boolean" else "a finite number"
        detail = f'input "{self._names[column]}" must be {wanted}, got {value}'
        return Problem(f"/{row}/{column}", "wrong_type", detail)


def _quick_numbers(cells: Iterable[Sequence[Any]], rows: int, columns: int) -> Array | None:
    """The cells of `rows` sequences as (rows, columns); None unless all are finite numbers."""
    if not set(map(type, chain.from_iterable(cells))) <= NUMBERS:
        return None
    try:
        numbers = np.fromiter(chain.from_iterable(cells), np.float64, rows * columns)
    except OverflowError:
        return None
    are_finite = np.count_nonzero(np.isfinite(numbers)) == numbers.size
    return numbers.reshape(rows, columns) if are_finite else None


def _bounds(absent: float, values: Iterable[float | None]) -> Array:
    return np.array([absent if value is None else value for value in values])
