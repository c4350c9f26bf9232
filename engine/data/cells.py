"""Cells in, a typed column out: what is a number, what a boolean, what text."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import polars as pl

from engine.data.table import Column, category_column
from engine.errors import BadData, Problem

MAX_PROBLEMS = 20
NULLS = frozenset({"", "NA", "N/A", "null", "None", "?", "-"})
BOOLEANS = {"true": 1.0, "false": 0.0}
# What a spreadsheet writes for a number; Python's own float() would also take 1_000, nan and １２.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


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


def text_column(name: str, cells: list[str], place: Callable[[int], str], problems: Problems) -> Column:
    """A column from text: numbers if all cells are, booleans if all are true or false, else categories."""
    texts = [None if cell in NULLS else cell for cell in cells]
    present = [text for text in texts if text is not None]
    if present and all(text.lower() in BOOLEANS for text in present):
        values = [math.nan if text is None else BOOLEANS[text.lower()] for text in texts]
        return Column(name, "boolean", np.array(values))
    odd = next(
        (text for text in present if not _NUMBER.fullmatch(text) and not _NOT_FINITE.fullmatch(text)), None
    )
    if odd is not None or not present:
        return category_column(name, list(texts))
    numbers = pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False).to_numpy(writable=True)
    for at in np.flatnonzero(~np.isfinite(numbers)).tolist():
        if texts[at] is not None:
            detail = f'{place(at)}, column "{name}": "{texts[at]}" is not a finite number'
            problems.add("", "not_finite", detail, "leave the cell empty if the value is missing")
    return Column(name, "number", numbers)


def value_column(
    name: str, cells: Sequence[Any], place: Callable[[int], tuple[str, str]], problems: Problems
) -> Column:
    """A column from JSON values: all booleans, all numbers, or text; null is missing."""
    kinds = {type(cell) for cell in cells if cell is not None}
    for at, cell in enumerate(cells):
        pointer, row = place(at)
        if isinstance(cell, int | float) and not abs(cell) <= sys.float_info.max:
            said = cell if isinstance(cell, float) else "an integer beyond float64"
            detail = f'{row}, column "{name}": {said} is not a finite number'
            problems.add(pointer, "not_finite", detail, "give null if the value is missing")
        elif not isinstance(cell, str | bool | int | float | None):
            problems.add(
                pointer, "wrong_type", f'{row}, column "{name}": a cell is a number, a boolean, text or null'
            )
    if kinds and kinds <= {bool}:
        return Column(name, "boolean", _floats(cells))
    if kinds and kinds <= {int, float}:
        return Column(name, "number", _floats(cells))
    texts = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
    if kinds == {str} and all(text is None or text.lower() in BOOLEANS for text in texts):
        return Column(name, "boolean", _floats([None if t is None else BOOLEANS[t.lower()] for t in texts]))
    return category_column(name, texts)


def _floats(cells: Sequence[Any]) -> Any:
    fits = [cell is not None and abs(cell) <= sys.float_info.max for cell in cells]
    return np.array([float(cell) if fit else math.nan for cell, fit in zip(cells, fits, strict=True)])
