"""Cells from JSON, a typed column out: what is a number, what a boolean, what text."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from engine.data.profile import ColumnType
from engine.data.table import Column, category_column
from engine.errors import BadData, Problem

MAX_PROBLEMS = 20
BOOLEANS = {"true": 1.0, "false": 0.0}
WORDS = {**BOOLEANS, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0}
"""What a column may say that the user calls boolean."""


class Problems:
    """The first problems of an input; enough is enough at MAX_PROBLEMS."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, pointer: str, code: str, detail: str, hint: str = "") -> None:
        self.found.append(Problem(pointer, code, detail, hint))
        if len(self.found) >= MAX_PROBLEMS:
            self.stop()

    def stop(self) -> NoReturn:
        raise BadData(self.found)

    def check(self) -> None:
        if self.found:
            self.stop()


Place = Callable[[int], tuple[str, str]]


def value_column(
    name: str,
    cells: Sequence[Any],
    place: Place,
    problems: Problems,
    wanted: ColumnType | None = None,
) -> Column:
    """A column from JSON values: all booleans, all numbers, or text; null is missing.

    `place` gives a cell's pointer and its row in words; `wanted` is the type where the user decides.
    """
    _check_cells(name, cells, place, problems)
    if wanted is not None:
        return _wanted_column(name, cells, place, problems, wanted)
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds and kinds <= {bool}:
        return Column(name, "boolean", _floats(cells))
    if kinds and kinds <= {int, float}:
        return Column(name, "number", _floats(cells))
    texts = [_text(cell) for cell in cells]
    if kinds == {str} and all(text is None or text.lower() in BOOLEANS for text in texts):
        return Column(name, "boolean", _floats([None if t is None else BOOLEANS[t.lower()] for t in texts]))
    return category_column(name, texts)


def _check_cells(name: str, cells: Sequence[Any], place: Place, problems: Problems) -> None:
    for at, cell in enumerate(cells):
        if isinstance(cell, int | float) and not abs(cell) <= sys.float_info.max:
            pointer, row = place(at)
            said = cell if isinstance(cell, float) else "an integer beyond float64"
            detail = f'{row}, column "{name}": {said} is not a finite number'
            problems.add(pointer, "not_finite", detail, "give null if the value is missing")
        elif not isinstance(cell, str | bool | int | float | None):
            pointer, row = place(at)
            detail = f'{row}, column "{name}": a cell is a number, a boolean, text or null'
            problems.add(pointer, "wrong_type", detail)


def _wanted_column(
    name: str, cells: Sequence[Any], place: Place, problems: Problems, wanted: ColumnType
) -> Column:
    if wanted == "category":
        return category_column(name, [_text(cell) for cell in cells])
    values: list[float | None] = []
    for at, cell in enumerate(cells):
        value = _number(cell) if wanted == "number" else _boolean(cell)
        if value is None and cell is not None:
            pointer, row = place(at)
            problems.add(
                pointer, "wrong_type", f'{row}, column "{name}": {json.dumps(cell)} is not a {wanted}'
            )
        values.append(value)
    return Column(name, wanted, _floats(values))


def _text(cell: Any) -> str | None:
    return cell if cell is None or isinstance(cell, str) else json.dumps(cell)


def _number(cell: Any) -> float | None:
    return float(cell) if type(cell) in (int, float) and abs(cell) <= sys.float_info.max else None


def _boolean(cell: Any) -> float | None:
    return WORDS.get(str(_text(cell)).lower())


def _floats(cells: Sequence[Any]) -> Any:
    fits = [cell is not None and abs(cell) <= sys.float_info.max for cell in cells]
    return np.array([float(cell) if fit else math.nan for cell, fit in zip(cells, fits, strict=True)])
