"""A column of text that comes in parts: numbers if all cells are, booleans if all are, else categories.

What a column is shows only at its end, so each part is kept as what it may still be. A part that comes too
late, text after numbers, asks for the column to be read again: see `TextColumn.was_wrong`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.data.cells import BOOLEANS, WORDS, Problems
from engine.data.reading import Reading
from engine.data.table import Column, ColumnType

Kind = Literal["open", "number", "boolean", "category"]
Values = NDArray[np.float64]
BAD_CELLS_KEPT = 20
SHOWN_SIGNS = 60
_COMMA_NUMBER = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"


class TextColumn:
    """One column, part by part. `decimal_comma` allows 1,5 for one and a half."""

    def __init__(
        self, name: str, reading: Reading, *, decimal_comma: bool = False, as_text: bool = False
    ) -> None:
        self.name = name
        self._nulls = sorted(reading.nulls)
        self._wanted: ColumnType | None = reading.types.get(name)
        self.kind: Kind = self._wanted or ("category" if as_text else "open")
        self._decimal_comma = decimal_comma
        self._dots = self._commas = False
        self._parts: list[NDArray[np.float64] | NDArray[np.int64]] = []
        self._codes: dict[str, int] = {}
        self._bad: list[tuple[int, str, str]] = []
        self.rows = 0
        self.was_wrong = False

    def add(self, cells: pl.Series) -> None:
        """The next cells, as text."""
        texts = cells.str.strip_chars()
        texts = texts.set(texts.is_in(self._nulls), None)
        part = self._read(texts)
        self._parts.append(np.full(len(texts), np.nan) if part is None else part)
        self.rows += len(texts)

    def _read(self, texts: pl.Series) -> NDArray[np.float64] | NDArray[np.int64] | None:
        """The cells as the kind that the column has by now; None where all are missing and it is open."""
        if self.kind == "category":
            return self._categories(texts)
        if texts.null_count() == len(texts) and self.kind == "open":
            return None
        for kind, read in (("boolean", self._booleans), ("number", self._numbers)):
            if self.kind in ("open", kind) and (values := read(texts)) is not None:
                self.kind = kind  # type: ignore[assignment]  # one of the two names above
                return values
        self.was_wrong = self.kind != "open"  # parts before were read as numbers or booleans
        self.kind = "category"
        return self._categories(texts)

    def _booleans(self, texts: pl.Series) -> Values | None:
        words = WORDS if self._wanted else BOOLEANS
        lowered = texts.str.to_lowercase()
        odd = ~lowered.is_in(list(words)) & texts.is_not_null()
        if odd.any():
            if not self._wanted:
                return None
            self._note(texts, odd, "wrong_type")
        return _floats(lowered.replace_strict(words, default=None, return_dtype=pl.Float64))

    def _numbers(self, texts: pl.Series) -> Values | None:
        numbers = texts.cast(pl.Float64, strict=False)
        if self._decimal_comma:
            numbers = self._with_commas(texts, numbers)
        odd = numbers.is_null() & texts.is_not_null()
        if odd.any():
            if not self._wanted:
                return None
            self._note(texts, odd, "wrong_type")
        infinite = (~numbers.is_finite()).fill_null(value=False)
        if infinite.any():
            self._note(texts, infinite, "not_finite")
        return _floats(numbers)

    def _with_commas(self, texts: pl.Series, numbers: pl.Series) -> pl.Series:
        """A comma is a point where the column has no point; with both, what is meant is open."""
        commas = texts.str.contains(_COMMA_NUMBER).fill_null(value=False)
        self._dots = self._dots or bool(texts.str.contains(".", literal=True).any())
        self._commas = self._commas or bool(commas.any())
        if not self._commas:
            return numbers
        if self._dots:
            return pl.Series(self.name, [None] * len(texts), dtype=pl.Float64)
        return texts.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)

    def _note(self, texts: pl.Series, bad: pl.Series, code: str) -> None:
        for at in bad.arg_true().to_list()[: BAD_CELLS_KEPT - len(self._bad)]:
            self._bad.append((self.rows + at, code, texts[at]))

    def _categories(self, texts: pl.Series) -> NDArray[np.int64]:
        here = texts.unique(maintain_order=True).drop_nulls()
        for text in here.to_list():
            self._codes.setdefault(text, len(self._codes))
        known = pl.Series([self._codes[text] for text in here.to_list()], dtype=pl.Int64)
        codes = texts.replace_strict(here, known, default=None, return_dtype=pl.Int64)
        found: NDArray[np.int64] = codes.fill_null(-1).to_numpy()
        return found

    @property
    def bad_rows(self) -> list[int]:
        """The rows of the first cells that are not what the column is, from 0."""
        return [] if self.kind in ("open", "category") else [row for row, _, _ in self._bad]

    def finish(self, place: Callable[[int], str], problems: Problems) -> Column:
        """The column; each of its bad cells becomes a problem that names its row as `place` does."""
        if self.kind in ("number", "boolean"):
            self._report(place, problems)
            kind: ColumnType = "number" if self.kind == "number" else "boolean"
            return Column(self.name, kind, _joined(self._parts, np.float64))
        parts = [part if part.dtype == np.int64 else np.full(len(part), -1) for part in self._parts]
        names = sorted(self._codes)
        places = np.empty(len(names) + 1, dtype=np.int64)
        places[[self._codes[name] for name in names]] = np.arange(len(names))
        places[-1] = -1  # where a missing cell's −1 points
        return Column(self.name, "category", places[_joined(parts, np.int64)], tuple(names))

    def _report(self, place: Callable[[int], str], problems: Problems) -> None:
        for row, code, text in self._bad:
            where = f'{place(row)}, column "{self.name}"'
            shown = text if len(text) <= SHOWN_SIGNS else f"{text[:SHOWN_SIGNS]}…"
            if code == "not_finite":
                hint = "leave the cell empty if the value is missing"
                problems.add("", code, f'{where}: "{shown}" is not a finite number', hint)
            else:
                known = "a number" if self.kind == "number" else f"one of {', '.join(WORDS)}"
                hint = f"correct it, add it to nulls, or leave {self.name} out of types"
                problems.add("", code, f'{where}: "{shown}" is not {known}', hint)


def _joined(parts: list[Any], kind: type[Any]) -> NDArray[Any]:
    whole: NDArray[Any] = np.concatenate(parts) if parts else np.empty(0, dtype=kind)
    parts.clear()
    return whole


def _floats(numbers: pl.Series) -> Values:
    values: Values = numbers.fill_null(float("nan")).to_numpy(writable=True)
    return values
