"""Files and JSON in, tables out: what people have, read strictly and explained where it is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

from engine.data.profile import Profile
from engine.data.reading.cells import Problems, value_column
from engine.data.reading.columnar import read_arrow, read_arrow_stream, read_parquet
from engine.data.reading.delimited import CsvFrames
from engine.data.reading.frames import Frames, WholeTable, to_parquet, to_table
from engine.data.reading.names import column_names
from engine.data.reading.options import NULLS, USUAL_BOUNDS, USUAL_READING, Bounds, Reading
from engine.data.table import Table
from engine.errors import BadData, escaped
from engine.registry import Registry, hint_of

Reader = Callable[[BinaryIO, Bounds, Reading], Frames]
FORMATS: Registry[Reader] = Registry("media type")
FORMATS.add("text/csv", CsvFrames)


def read_table(
    source: bytes | BinaryIO, media_type: str, bounds: Bounds = USUAL_BOUNDS, reading: Reading = USUAL_READING
) -> Table:
    """The table in a file of one of `MEDIA_TYPES`; raises BadData with the first problems found."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return to_table(FORMATS.get(media_type)(file, bounds, reading))


def convert(
    source: BinaryIO,
    media_type: str,
    target: BinaryIO,
    bounds: Bounds = USUAL_BOUNDS,
    reading: Reading = USUAL_READING,
) -> Profile:
    """Writes the table in a file as Parquet, in bounded memory, and tells what is in it; raises BadData.

    `target` is a file on the disk, open for reading too.
    """
    return to_parquet(FORMATS.get(media_type)(source, bounds, reading), target)


@FORMATS.register("application/json")
def read_json(source: BinaryIO, bounds: Bounds, reading: Reading) -> Frames:
    """A JSON object with `columns` and `rows`, or with `records`, or an array of records."""
    return WholeTable(_table_of_document(source, bounds, reading))


def _table_of_document(source: BinaryIO, bounds: Bounds, reading: Reading) -> Table:
    document = _parsed(source.read(), "the file")
    if isinstance(document, list):
        document = {"records": document}
    if isinstance(document, dict) and isinstance(document.get("records"), list):
        return table_from_records(document["records"], bounds, reading)
    if isinstance(document, dict) and isinstance(document.get("rows"), list):
        return table_from_rows(document.get("columns", ()), document["rows"], bounds, reading)
    raise BadData.because(
        "the JSON holds neither records nor columns and rows",
        code="wrong_shape",
        hint='send {"columns": ["x", "y"], "rows": [[1, 2]]} or {"records": [{"x": 1, "y": 2}]}',
    )


@FORMATS.register("application/x-ndjson")
def read_ndjson(source: BinaryIO, bounds: Bounds, reading: Reading) -> Frames:
    """One JSON object a line."""
    records = []
    for i, line in enumerate(source, 1):
        if line.strip():
            records.append(_parsed(line, f"line {i}"))
            bounds.check(len(records), 0, 0)
            if not isinstance(records[-1], dict):  # refused below; the other lines need not be read
                break
    return WholeTable(table_from_records(records, bounds, reading))


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadData.because(f"{where} is not JSON: {error}", code="not_json") from None


def table_from_rows(
    columns: object, rows: object, bounds: Bounds = USUAL_BOUNDS, reading: Reading = USUAL_READING
) -> Table:
    """A table from JSON rows, each an array in the order of `columns`; raises BadData."""
    problems = Problems()
    if not isinstance(columns, Sequence) or isinstance(columns, str) or not columns:
        problems.add("/columns", "wrong_type", "columns must be a list with at least one name")
        problems.stop()
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        problems.add("/rows", "no_rows", "rows must be a list with at least one row")
        problems.stop()
    bounds.check(len(rows), len(columns), len(rows) * len(columns))
    names = column_names(columns, "columns", problems)
    for i, row in enumerate(rows):
        if not isinstance(row, Sequence) or isinstance(row, str):
            problems.add(f"/rows/{i}", "wrong_type", f"row {i + 1} must be a list of cells")
        elif len(row) != len(names):
            detail = f"row {i + 1} has {len(row)} cells, there are {len(names)} columns"
            problems.add(f"/rows/{i}", "ragged_row", detail, "give null for a missing cell")
    problems.check()
    cells = list(zip(*rows, strict=True))
    return _table_of_values(names, cells, lambda at, k: f"/rows/{at}/{k}", problems, reading)


def table_from_records(
    records: object, bounds: Bounds = USUAL_BOUNDS, reading: Reading = USUAL_READING
) -> Table:
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
    names = column_names(list(records[0]), "the first record", problems)
    bounds.check(len(records), len(names), len(records) * len(names))
    for i, record in enumerate(records):
        for name in record.keys() - set(names):
            problems.add(
                f"/records/{i}/{escaped(str(name))}",
                "unknown_column",
                f'record {i + 1} has the new column "{name}"',
                hint_of(str(name), names),
            )
        for name in set(names) - record.keys():
            detail = f'record {i + 1} has no "{name}"'
            problems.add(f"/records/{i}", "missing_column", detail, "give null for a missing cell")
    problems.check()
    cells = [[record[name] for record in records] for name in names]
    return _table_of_values(
        names, cells, lambda at, k: f"/records/{at}/{escaped(names[k])}", problems, reading
    )


def _table_of_values(
    names: list[str],
    cells: Sequence[Sequence[Any]],
    pointer: Callable[[int, int], str],
    problems: Problems,
    reading: Reading,
) -> Table:
    reading.check_names(names)
    columns = []
    for k, name in enumerate(names):
        place = partial(_place, pointer, k)
        values = _without_nulls(cells[k], reading)
        columns.append(value_column(name, values, place, problems, reading.types.get(name)))
    problems.check()
    return Table(tuple(columns), len(cells[0]))


def _place(pointer: Callable[[int, int], str], column: int, row: int) -> tuple[str, str]:
    return pointer(row, column), f"row {row + 1}"


def _without_nulls(cells: Sequence[Any], reading: Reading) -> Sequence[Any]:
    """JSON has a null of its own: texts mean missing only where the user lists them."""
    if reading.nulls is NULLS:
        return cells
    return [None if isinstance(cell, str) and cell in reading.nulls else cell for cell in cells]


FORMATS.add("application/vnd.apache.parquet", read_parquet)
FORMATS.add("application/vnd.apache.arrow.file", read_arrow)
FORMATS.add("application/vnd.apache.arrow.stream", read_arrow_stream)
MEDIA_TYPES = FORMATS.names()
