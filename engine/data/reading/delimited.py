"""CSV and its kin: what spreadsheets write, read fast where it is regular and explained where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import polars as pl

from engine.data.profile import ColumnType
from engine.data.reading.cells import Problems
from engine.data.reading.frames import Mistyped
from engine.data.reading.lines import Part, encoding_of, first_row_end, parts_of
from engine.data.reading.names import column_names
from engine.data.reading.options import Bounds, Reading
from engine.data.reading.texts import Kind, TextColumn, shown
from engine.errors import BadData

_QUOTED = re.compile(r'"[^"]*"')
HEADER_LENGTH = 1_000_000
MANY_CELLS = 1_000  # too many in a row, whatever stands in quotes


@dataclass(frozen=True, slots=True)
class _Header:
    names: list[str]
    delimiter: str
    end: int  # in the first part
    line: int  # of the row after it


class CsvFrames:
    """Comma-, semicolon-, tab- or bar-separated text with a header line; raises BadData where it has none.

    Types are assumed from the rows that come first.
    """

    def __init__(self, source: BinaryIO, bounds: Bounds, reading: Reading) -> None:
        self._source, self._bounds, self._reading = source, bounds, reading
        self._encoding = encoding_of(source)
        self._start = source.tell()
        self._header = _read_header(next(self._all_parts(), None), bounds)
        reading.check_names(self._header.names)
        self._schema = {f"c{i}": pl.String for i in range(len(self._header.names))}
        self._first_rows: list[int] = []  # of each part
        self._first_frame: pl.DataFrame | None = None  # of the first part, until it is read again
        self._kinds: list[Kind] = ["open"] * len(self._header.names)
        self._types: list[ColumnType] = []
        self._notes: dict[str, str] = {}
        self._assume_types()

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns in file order."""
        return dict(zip(self._header.names, self._types, strict=True))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the reading."""
        latin = () if self._encoding == "utf-8" else ("the file is not UTF-8; it was read as latin-1",)
        return latin + tuple(self._notes.values())

    def read(self) -> Iterator[pl.DataFrame]:
        """All rows; raises BadData for rows that are none, or too many, and for cells that do not fit."""
        columns, problems, count = self._columns(), Problems(), 0
        self._first_rows.clear()
        for part in self._parts():
            frame, self._first_frame = self._first_frame, None
            frame = self._frame(part, problems) if frame is None else frame
            self._first_rows.append(count)
            count += frame.height
            self._bounds.check(count, len(columns), count * len(columns))
            typed = [column.add(cells) for column, cells in zip(columns, frame, strict=True)]
            if [column.type for column in columns] == self._types and not problems.found:
                self._note_formulas(typed)
                yield pl.DataFrame(typed)
        problems.check()
        self._check(columns, count)

    def _columns(self) -> list[TextColumn]:
        comma = self._header.delimiter != ","
        return [
            TextColumn(name, self._reading, decimal_comma=comma, kind=kind)
            for name, kind in zip(self._header.names, self._kinds, strict=True)
        ]

    def _assume_types(self) -> None:
        columns = self._columns()
        for part in islice(self._parts(), 1):
            problems = Problems()
            frame = self._frame(part, problems)
            self._first_frame = None if problems.found else frame  # else they are to be told then
            for column, cells in zip(columns, frame, strict=True):
                column.add(cells)
        self._types = [column.type for column in columns]

    def _check(self, columns: Sequence[TextColumn], count: int) -> None:
        """What shows only at the end; raises BadData and Mistyped."""
        if not count:
            detail, hint = "the file has a header and no rows", "add at least one row"
            raise BadData.because(detail, code="no_rows", hint=hint)
        lines = self._lines({row for column in columns for row in column.noted_rows})
        problems = Problems()
        for column in columns:
            column.report(lambda row: f"line {lines[row]}", problems)
            if column.odd and column.type == "category":
                row, text = column.odd
                self._notes[f"odd {column.name}"] = (
                    f'column "{column.name}" is text: line {lines[row]} holds {shown(text)}, '
                    "and most of its other cells are numbers"
                )
        problems.check()
        types, self._kinds = self._types, [column.kind for column in columns]
        self._types = [column.type for column in columns]
        if types != self._types:
            raise Mistyped

    def _note_formulas(self, typed: Sequence[pl.Series]) -> None:
        for cells in typed:
            name = cells.name
            if cells.dtype != pl.String or f"formula {name}" in self._notes:
                continue
            if cells.str.contains("^[=@]").any():
                self._notes[f"formula {name}"] = (
                    f'column "{name}" holds what looks like formulas; they were read as text'
                )

    def _all_parts(self) -> Iterator[Part]:
        self._source.seek(self._start)
        return parts_of(self._source, self._encoding)

    def _parts(self) -> Iterator[Part]:
        """The rows under the header."""
        parts = self._all_parts()
        first = next(parts)
        if rest := first.data[self._header.end :]:
            yield Part(rest, self._header.line)
        yield from parts

    def _frame(self, part: Part, problems: Problems) -> pl.DataFrame:
        """A part's rows, all cells text: by polars where it is regular, else row by row with explanations."""
        frame = self._quick(part)
        return self._careful(part, problems) if frame is None else frame

    def _quick(self, part: Part) -> pl.DataFrame | None:
        """What polars reads, if it is certain that each line is a row of as many cells as the header."""
        delimiter, width = self._header.delimiter, len(self._schema)
        if not (part.has_usual_ends() and part.has_usual_quotes(delimiter)):
            return None
        first_row = part.data.partition(b"\n")[0]  # polars makes a column of each of its cells, slowly
        if first_row.count(delimiter.encode()) > 2 * width + MANY_CELLS:
            return None
        try:
            frame = pl.read_csv(
                part.data,
                has_header=False,
                separator=delimiter,
                schema=self._schema,
                empty_string_is_null=False,
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None  # the careful reader will tell what is wrong, if anything is
        # Rows that are too long are refused there; short and blank ones end in empty cells.
        if (frame.to_series(-1) == "").any() and not part.is_regular(delimiter, width):
            return None
        return frame

    def _careful(self, part: Part, problems: Problems) -> pl.DataFrame:
        width, kept = len(self._schema), []
        for line, row in part.rows(self._header.delimiter, problems):
            if len(row) == width:
                kept.append(row)
                continue
            detail = f"line {line} has {len(row)} cells, the header has {width}"
            hint = "quote cells that hold the delimiter, fill missing cells with NA"
            problems.add("", "ragged_row", detail, hint)
        return pl.DataFrame(kept, schema=self._schema, orient="row")

    def _lines(self, rows: set[int]) -> dict[int, int]:
        """The line that each of some rows begins on: their parts are read once more."""
        lines: dict[int, int] = {}
        if not rows:
            return lines
        ends = [*self._first_rows[1:], max(rows) + 1]
        for first, end, part in zip(self._first_rows, ends, self._parts(), strict=False):
            if any(first <= row < end for row in rows):
                starts = (line for line, _ in part.rows(self._header.delimiter, Problems()))
                lines |= dict(enumerate(starts, first))
        return lines


def _read_header(part: Part | None, bounds: Bounds) -> _Header:
    """The names in the first row that is not blank; raises BadData."""
    if part is None or not part.data.strip():
        raise BadData.because(
            "the file is empty", code="empty", hint="send a header line and at least one row"
        )
    problems, end = Problems(), first_row_end(part.data)
    delimiter = _delimiter(part.data[:end].decode("utf-8", "ignore"))
    line, row = next(Part(part.data[:end], 1).rows(delimiter, problems))
    bounds.check(0, len(row), 0)
    names = column_names(row, f"line {line}", problems)
    return _Header(names, delimiter, end, 1 + part.data.count(b"\n", 0, end))


def _delimiter(header: str) -> str:
    """The sign that divides the header into most cells, quotes aside; a comma where none does."""
    plain = _QUOTED.sub("", header.lstrip("\r\n")[:HEADER_LENGTH])
    return max(",;\t|", key=plain.count)
