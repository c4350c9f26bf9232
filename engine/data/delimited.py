"""CSV and its kin: what spreadsheets write, read fast where it is regular and explained where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from engine.data.cells import Problems
from engine.data.lines import Part, encoding_of, first_row_end, parts_of
from engine.data.names import column_names
from engine.data.reading import Bounds, Reading
from engine.data.table import Column, Table
from engine.data.texts import TextColumn
from engine.errors import BadData

_QUOTED = re.compile(r'"[^"]*"')
HEADER_LENGTH = 1_000_000


def read_csv(source: BinaryIO, bounds: Bounds, reading: Reading) -> Table:
    """Comma-, semicolon-, tab- or bar-separated text with a header line; raises BadData."""
    file = _File(source, bounds)
    reading.check_names(file.names)
    as_text: set[str] = set()
    while True:  # a second time at most, when text came late in what had looked like numbers
        columns = file.columns(reading, as_text)
        wrong = {column.name for column in columns if column.was_wrong}
        if not wrong:
            return file.table(columns)
        as_text |= wrong


@dataclass(frozen=True, slots=True)
class _Header:
    names: list[str]
    delimiter: str
    end: int  # in the first part
    line: int  # of the row after it


class _File:
    """A delimited file: its header, and the rows under it as often as they are asked for."""

    def __init__(self, source: BinaryIO, bounds: Bounds) -> None:
        self._source, self._bounds = source, bounds
        self._encoding = encoding_of(source)
        self._start = source.tell()
        self._header = _read_header(next(self._all_parts(), None), bounds)
        self._schema = {f"c{i}": pl.String for i in range(len(self.names))}
        self._first_rows: list[int] = []  # of each part

    @property
    def names(self) -> list[str]:
        return self._header.names

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

    def columns(self, reading: Reading, as_text: set[str]) -> list[TextColumn]:
        """Reads all rows once; raises BadData for rows that are none, or too many."""
        comma = self._header.delimiter != ","
        columns = [
            TextColumn(name, reading, decimal_comma=comma, as_text=name in as_text) for name in self.names
        ]
        problems, count = Problems(), 0
        self._first_rows.clear()
        for part in self._parts():
            frame = self._frame(part, problems)
            self._first_rows.append(count)
            count += frame.height
            self._bounds.check(count, len(self.names), count * len(self.names))
            for column, cells in zip(columns, frame, strict=True):
                column.add(cells)
        problems.check()
        if not count:
            detail, hint = "the file has a header and no rows", "add at least one row"
            raise BadData.because(detail, code="no_rows", hint=hint)
        return columns

    def _frame(self, part: Part, problems: Problems) -> pl.DataFrame:
        """A part's rows, all cells text: by polars where it is regular, else row by row with explanations."""
        if part.is_regular(self._header.delimiter, len(self.names)):
            try:
                return pl.read_csv(
                    part.data,
                    has_header=False,
                    separator=self._header.delimiter,
                    schema=self._schema,
                    empty_string_is_null=False,
                )
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                pass  # the careful reader will tell what is wrong, if anything is
        return self._careful(part, problems)

    def _careful(self, part: Part, problems: Problems) -> pl.DataFrame:
        width, kept = len(self.names), []
        for line, row in part.rows(self._header.delimiter, problems):
            if len(row) == width:
                kept.append(row)
                continue
            detail = f"line {line} has {len(row)} cells, the header has {width}"
            hint = "quote cells that hold the delimiter, fill missing cells with NA"
            problems.add("", "ragged_row", detail, hint)
        return pl.DataFrame(kept, schema=self._schema, orient="row")

    def table(self, columns: Sequence[TextColumn]) -> Table:
        """The table of columns that were read to the end; raises BadData for cells that do not fit theirs."""
        problems, rows = Problems(), columns[0].rows
        lines = self._lines({row for column in columns for row in column.bad_rows})
        read = [column.finish(lambda row: f"line {lines[row]}", problems) for column in columns]
        problems.check()
        return Table(tuple(read), rows, self._notes(read))

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

    def _notes(self, columns: Sequence[Column]) -> tuple[str, ...]:
        notes = [] if self._encoding == "utf-8" else ["the file is not UTF-8; it was read as latin-1"]
        notes += [
            f'column "{column.name}" holds what looks like formulas; they were read as text'
            for column in columns
            if any(category.startswith(("=", "@")) for category in column.categories)
        ]
        return tuple(notes)


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
