"""A column of text that comes in parts: numbers if all cells are, booleans if all are, else categories.

What a column is shows only at its end. `type` is what it looks like by now; where that changes, the parts
before were given as another type and the column is to be read again, from the kind that is known then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import polars as pl

from engine.data.profile import ColumnType
from engine.data.reading.cells import BOOLEANS, WORDS, Problems
from engine.data.reading.options import Reading

Kind = Literal["open", "number", "boolean", "category"]
BAD_CELLS_KEPT = 20
SHOWN_SIGNS = 60
_COMMA_NUMBER = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"


class TextColumn:
    """One column, part by part. `decimal_comma` allows 1,5 for one and a half."""

    def __init__(
        self, name: str, reading: Reading, *, decimal_comma: bool = False, kind: Kind = "open"
    ) -> None:
        self.name = name
        self._nulls = sorted(reading.nulls)
        self._has_numeric_nulls = any(map(_is_number, reading.nulls))
        self._wanted: ColumnType | None = reading.types.get(name)
        self.kind: Kind = self._wanted or kind
        self._decimal_comma = decimal_comma
        self._dots = self._commas = False
        self._bad: list[tuple[int, str, str]] = []
        self.odd: tuple[int, str] | None = None
        self.rows = 0

    @property
    def type(self) -> ColumnType:
        """What the column is, as far as it is known by now; one without any cell counts as a category."""
        return "category" if self.kind == "open" else self.kind

    def add(self, cells: pl.Series) -> pl.Series:
        """The next cells, text in and cells of `type` out; null where missing."""
        read = self._quick_numbers(cells)
        if read is None:
            texts = cells.str.strip_chars()
            read = self._read(texts.set(texts.is_in(self._nulls), None))
        self.rows += len(cells)
        return read.alias(self.name)

    def _quick_numbers(self, cells: pl.Series) -> pl.Series | None:
        """The cells of a part that is nothing but plain finite numbers, as most are."""
        if self.kind not in ("open", "number") or self._has_numeric_nulls:
            return None
        numbers = cells.cast(pl.Float64, strict=False)
        if numbers.null_count() or not numbers.is_finite().all():
            return None
        if self._decimal_comma:
            self._dots = self._dots or bool(cells.str.contains(".", literal=True).any())
            if self._commas and self._dots:
                return None
        self.kind = "number"
        return numbers

    def _read(self, texts: pl.Series) -> pl.Series:
        """The cells as the kind that the column has by now, or that they make it."""
        if self.kind == "category" or (self.kind == "open" and texts.null_count() == len(texts)):
            return texts
        for kind, read in (("boolean", self._booleans), ("number", self._numbers)):
            if self.kind in ("open", kind) and (values := read(texts)) is not None:
                self.kind = kind  # type: ignore[assignment]  # one of the two names above
                return values
        self.kind = "category"
        return texts

    def _booleans(self, texts: pl.Series) -> pl.Series | None:
        words = WORDS if self._wanted else BOOLEANS
        lowered = texts.str.to_lowercase()
        odd = ~lowered.is_in(list(words)) & texts.is_not_null()
        if odd.any():
            if not self._wanted:
                return None
            self._note(texts, odd, "wrong_type")
        return lowered.replace_strict(words, default=None, return_dtype=pl.Float64).cast(pl.Boolean)

    def _numbers(self, texts: pl.Series) -> pl.Series | None:
        numbers = texts.cast(pl.Float64, strict=False)
        if self._decimal_comma:
            numbers = self._with_commas(texts, numbers)
        odd = numbers.is_null() & texts.is_not_null()
        if odd.any():
            if not self._wanted:
                self._note_odd(texts, odd)
                return None
            self._note(texts, odd, "wrong_type")
        infinite = (~numbers.is_finite()).fill_null(value=False)
        if infinite.any():
            self._note(texts, infinite, "not_finite")
        return numbers

    def _note_odd(self, texts: pl.Series, odd: pl.Series) -> None:
        """Keeps the first cell that keeps a column of numbers from being one."""
        at = int(odd.arg_max() or 0)
        if self.odd is None and 2 * odd.sum() < len(texts) - texts.null_count():
            self.odd = (self.rows + at, texts[at])

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

    @property
    def noted_rows(self) -> list[int]:
        """The rows, counted from 0, of the first cells that are not what the column is, or else might be."""
        if self.type == "category":
            return [self.odd[0]] if self.odd else []
        return [row for row, _, _ in self._bad]

    def report(self, place: Callable[[int], str], problems: Problems) -> None:
        """Each of the bad cells becomes a problem that names its row as `place` does."""
        if self.kind not in ("number", "boolean"):
            return
        for row, code, text in self._bad:
            where = f'{place(row)}, column "{self.name}"'
            if code == "not_finite":
                hint = "leave the cell empty if the value is missing"
                problems.add("", code, f"{where}: {shown(text)} is not a finite number", hint)
            else:
                known = "a number" if self.kind == "number" else f"one of {', '.join(WORDS)}"
                hint = f"correct it, add it to nulls, or leave {self.name} out of types"
                problems.add("", code, f"{where}: {shown(text)} is not {known}", hint)


def shown(text: str) -> str:
    """A cell in a message: between quotes, a long one cut."""
    return f'"{text}"' if len(text) <= SHOWN_SIGNS else f'"{text[:SHOWN_SIGNS]}…"'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
