"""Files and JSON in, tables out: what people have, read strictly and explained where it is wrong."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from engine.data.cells import Problems, text_column, value_column
from engine.data.table import Column, Table
from engine.errors import BadData, escaped
from engine.registry import Registry, did_you_mean


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a table may be."""

    max_rows: int = 5_000_000
    max_columns: int = 10_000
    max_cells: int = 200_000_000


HEADER_LENGTH = 1_000_000
_QUOTED = re.compile(r'"[^"]*"')

Reader = Callable[[bytes, Bounds], Table]
FORMATS: Registry[Reader] = Registry("media type")


def read_table(data: bytes, media_type: str, bounds: Bounds = Bounds()) -> Table:
    """The table in a file of one of `MEDIA_TYPES`; raises BadData with the first problems found."""
    return FORMATS.get(media_type)(data, bounds)


@FORMATS.register("text/csv")
def read_csv(data: bytes, bounds: Bounds) -> Table:
    """Comma-, semicolon-, tab- or bar-separated text with a header line."""
    text, notes = _decoded(data)
    if not text.strip():
        raise BadData.because(
            "the file is empty", code="empty", hint="send a header line and at least one row"
        )
    problems = Problems()
    lines, rows = _csv_rows(text, bounds, problems)
    names = _column_names(rows[0], f"line {lines[0]}", problems)
    body, lines = rows[1:], lines[1:]
    if not body:
        raise BadData.because(
            "the file has a header and no rows", code="no_rows", hint="add at least one row"
        )
    for line, row in zip(lines, body, strict=True):
        if len(row) != len(names):
            detail = f"line {line} has {len(row)} cells, the header has {len(names)}"
            problems.add(
                "", "ragged_row", detail, "quote cells that hold the delimiter, fill missing cells with NA"
            )
    problems.check()
    columns = [
        text_column(name, [row[i].strip() for row in body], lambda at: f"line {lines[at]}", problems)
        for i, name in enumerate(names)
    ]
    problems.check()
    return Table(tuple(columns), len(body), notes)


def _decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    if b"\0" in data:
        raise BadData.because(
            "the file holds zero bytes: it is not text", code="not_text", hint="send UTF-8 text"
        )
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        return data.decode("latin-1"), ("the file is not UTF-8; it was read as latin-1",)


def _csv_rows(text: str, bounds: Bounds, problems: Problems) -> tuple[list[int], list[list[str]]]:
    """Each row's first line number and its cells; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    cells, start = 0, 1
    try:
        for row in reader:
            if row:
                cells += len(row) if rows else 0
                _refuse_too_large(len(rows), len(row) if not rows else 0, cells, bounds)
                lines.append(start)
                rows.append(row)
            start = reader.line_num + 1
    except csv.Error as error:
        problems.add(
            "", "not_csv", f"line {reader.line_num}: {error}", "close every quote and double those inside"
        )
        problems.stop()
    return lines, rows


def _refuse_too_large(rows: int, columns: int, cells: int, bounds: Bounds) -> None:
    for what, count, bound in (
        ("rows", rows, bounds.max_rows),
        ("columns", columns, bounds.max_columns),
        ("cells", cells, bounds.max_cells),
    ):
        if count > bound:
            raise BadData.because(
                f"the table has more than {bound:,} {what}",
                code="too_large",
                hint=f"send at most {bound:,} {what}",
            )


def _delimiter(text: str) -> str:
    """The sign that divides the header line into most cells, quotes aside; a comma where none does."""
    header = _QUOTED.sub("", text.lstrip("\r\n")[:HEADER_LENGTH]).partition("\n")[0]
    return max(",;\t|", key=header.count)


def _column_names(header: Sequence[object], where: str, problems: Problems) -> list[str]:
    names = [name.strip() if isinstance(name, str) else "" for name in header]
    for i, name in enumerate(names):
        if not name:
            problems.add("", "empty_name", f"{where}: column {i + 1} has no name", "give every column a name")
    for name, count in Counter(names).items():
        if name and count > 1:
            detail = f'{where}: {count} columns are called "{name}"'
            problems.add("", "duplicate_name", detail, "give every column a name of its own")
    problems.check()
    return names


@FORMATS.register("application/json")
def read_json(data: bytes, bounds: Bounds) -> Table:
    """A JSON object with `columns` and `rows`, or with `records`, or an array of records."""
    document = _parsed(data, "the file")
    if isinstance(document, list):
        document = {"records": document}
    if isinstance(document, dict) and isinstance(document.get("records"), list):
        return table_from_records(document["records"], bounds)
    if isinstance(document, dict) and isinstance(document.get("rows"), list):
        return table_from_rows(document.get("columns", ()), document["rows"], bounds)
    raise BadData.because(
        "the JSON holds neither records nor columns and rows",
        code="wrong_shape",
        hint='send {"columns": ["x", "y"], "rows": [[1, 2]]} or {"records": [{"x": 1, "y": 2}]}',
    )


@FORMATS.register("application/x-ndjson")
def read_ndjson(data: bytes, bounds: Bounds) -> Table:
    """One JSON object a line."""
    lines = [(i, line) for i, line in enumerate(data.splitlines(), 1) if line.strip()]
    return table_from_records([_parsed(line, f"line {i}") for i, line in lines], bounds)


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadData.because(f"{where} is not JSON: {error}", code="not_json") from None


@FORMATS.register("application/vnd.apache.parquet")
def read_parquet(data: bytes, bounds: Bounds) -> Table:
    """A Parquet file with columns of numbers, booleans and text."""
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        detail = f"the file is not Parquet: {str(error).partition(chr(10))[0]}"
        raise BadData.because(detail, code="not_parquet") from None
    _refuse_too_large(frame.height, frame.width, frame.height * frame.width, bounds)
    if not frame.height:
        raise BadData.because("the file has no rows", code="no_rows", hint="add at least one row")
    problems = Problems()
    names = _column_names(frame.columns, "the schema", problems)
    columns = [_parquet_column(name, series, problems) for name, series in zip(names, frame, strict=True)]
    problems.check()
    return Table(tuple(columns), frame.height)


def _parquet_column(name: str, series: pl.Series, problems: Problems) -> Column:
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        return text_column(
            name, ["" if v is None else v.strip() for v in series.to_list()], _row_place, problems
        )
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        detail = f'column "{name}" holds {series.dtype}, which is neither number, boolean nor text'
        problems.add("", "wrong_type", detail, "convert the column before sending")
        return Column(name, "number", np.zeros(len(series)))
    return value_column(name, series.to_list(), lambda at: (f"/rows/{at}", f"row {at + 1}"), problems)


def _row_place(at: int) -> str:
    return f"row {at + 1}"


def table_from_rows(columns: object, rows: object, bounds: Bounds = Bounds()) -> Table:
    """A table from JSON rows, each an array in the order of `columns`; raises BadData."""
    problems = Problems()
    if not isinstance(columns, Sequence) or isinstance(columns, str) or not columns:
        problems.add("/columns", "wrong_type", "columns must be a list with at least one name")
        problems.stop()
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        problems.add("/rows", "no_rows", "rows must be a list with at least one row")
        problems.stop()
    _refuse_too_large(len(rows), len(columns), len(rows) * len(columns), bounds)
    names = _column_names(columns, "columns", problems)
    for i, row in enumerate(rows):
        if not isinstance(row, Sequence) or isinstance(row, str):
            problems.add(f"/rows/{i}", "wrong_type", f"row {i + 1} must be a list of cells")
        elif len(row) != len(names):
            detail = f"row {i + 1} has {len(row)} cells, there are {len(names)} columns"
            problems.add(f"/rows/{i}", "ragged_row", detail, "give null for a missing cell")
    problems.check()
    return _table_of_values(names, list(zip(*rows, strict=True)), lambda at, k: f"/rows/{at}/{k}", problems)


def table_from_records(records: object, bounds: Bounds = Bounds()) -> Table:
    """A table from JSON objects; the first names the columns, and the others must have the same ones."""
    problems = Problems()
    if not isinstance(records, Sequence) or isinstance(records, str) or not records:
        problems.add("/records", "no_rows", "records must be a list with at least one record")
        problems.stop()
    if not all(isinstance(record, Mapping) and record for record in records):
        odd = next(i for i, record in enumerate(records) if not (isinstance(record, Mapping) and record))
        problems.add(
            f"/records/{odd}", "wrong_type", f"record {odd + 1} must be an object with at least one member"
        )
        problems.stop()
    names = _column_names(list(records[0]), "the first record", problems)
    _refuse_too_large(len(records), len(names), len(records) * len(names), bounds)
    for i, record in enumerate(records):
        for name in record.keys() - set(names):
            hint = f'did you mean "{near}"?' if (near := did_you_mean(str(name), names)) else ""
            problems.add(
                f"/records/{i}/{escaped(str(name))}",
                "unknown_column",
                f'record {i + 1} has the new column "{name}"',
                hint,
            )
        for name in set(names) - record.keys():
            detail = f'record {i + 1} has no "{name}"'
            problems.add(f"/records/{i}", "missing_column", detail, "give null for a missing cell")
    problems.check()
    cells = [[record[name] for record in records] for name in names]
    return _table_of_values(names, cells, lambda at, k: f"/records/{at}/{escaped(names[k])}", problems)


def _table_of_values(
    names: list[str], cells: Sequence[Sequence[Any]], pointer: Callable[[int, int], str], problems: Problems
) -> Table:
    columns = [
        value_column(name, cells[k], lambda at, k=k: (pointer(at, k), f"row {at + 1}"), problems)  # type: ignore[misc]
        for k, name in enumerate(names)
    ]
    problems.check()
    return Table(tuple(columns), len(cells[0]))


MEDIA_TYPES = FORMATS.names()
