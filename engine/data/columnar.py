"""Parquet and Arrow in: columns that say their types themselves, which may lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import polars as pl

from engine.data.cells import Problems
from engine.data.names import column_names
from engine.data.reading import Bounds, Reading
from engine.data.table import Column, ColumnType, Table
from engine.data.texts import TextColumn
from engine.errors import BadData

_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, OverflowError)
PARQUET_MAGIC = b"PAR1"


def read_parquet(source: BinaryIO, bounds: Bounds, reading: Reading) -> Table:
    """A Parquet file with columns of numbers, booleans and text."""

    def read() -> pl.DataFrame:
        lazy = pl.scan_parquet(source)  # what the footer says is checked before anything is unpacked
        width = len(lazy.collect_schema())
        height = int(lazy.select(pl.len()).collect().item())
        bounds.check(height, width, height * width)
        source.seek(0)
        return pl.read_parquet(source)

    return _table(_frame("Parquet", read), bounds, reading)


def read_arrow(source: BinaryIO, bounds: Bounds, reading: Reading) -> Table:
    """An Arrow IPC file, also called Feather."""
    return _table(_frame("an Arrow file", lambda: pl.read_ipc(source)), bounds, reading)


def read_arrow_stream(source: BinaryIO, bounds: Bounds, reading: Reading) -> Table:
    """An Arrow IPC stream."""
    return _table(_frame("an Arrow stream", lambda: pl.read_ipc_stream(source)), bounds, reading)


def _frame(kind: str, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return read()
    except BadData:
        raise
    except _BROKEN as error:
        detail = f"the file is not {kind}: {str(error).partition(chr(10))[0]}"
        code = "not_parquet" if kind == "Parquet" else "not_arrow"
        raise BadData.because(detail, code=code, hint="write the file anew and send all of it") from None


def _table(frame: pl.DataFrame, bounds: Bounds, reading: Reading) -> Table:
    bounds.check(frame.height, frame.width, frame.height * frame.width)
    if not frame.height:
        raise BadData.because("the file has no rows", code="no_rows", hint="add at least one row")
    problems = Problems()
    names = column_names(frame.columns, "the schema", problems)
    reading.check_names(names)
    columns = [_column(name, series, reading, problems) for name, series in zip(names, frame, strict=True)]
    problems.check()
    return Table(tuple(columns), frame.height)


def _column(name: str, series: pl.Series, reading: Reading, problems: Problems) -> Column:
    wanted = reading.types.get(name)
    if series.dtype in (pl.String, pl.Categorical, pl.Enum) or wanted == "category":
        return _text_column(name, series, reading, problems)
    if series.dtype == pl.Boolean and wanted in (None, "boolean"):
        return _number_column(name, "boolean", series, problems)
    if series.dtype == pl.Boolean or wanted == "boolean":
        return _text_column(name, series, reading, problems)
    if series.dtype.is_numeric():
        return _number_column(name, "number", series, problems)
    detail = f'column "{name}" holds {series.dtype}, which is neither number, boolean nor text'
    problems.add("", "wrong_type", detail, "convert the column before sending")
    return Column(name, "number", np.zeros(len(series)))


def _text_column(name: str, series: pl.Series, reading: Reading, problems: Problems) -> Column:
    column = TextColumn(name, reading)
    texts = series.cast(pl.String).fill_null("")
    column.add(texts)
    if column.was_wrong:
        column = TextColumn(name, reading, as_text=True)
        column.add(texts)
    return column.finish(_row, problems)


def _number_column(name: str, kind: ColumnType, series: pl.Series, problems: Problems) -> Column:
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True)
    bad = ~np.isfinite(values) & series.is_not_null().to_numpy()
    for at in np.flatnonzero(bad).tolist():
        detail = f'{_row(at)}, column "{name}": {series[at]} is not a finite number'
        problems.add("", "not_finite", detail, "write null if the value is missing")
    return Column(name, kind, values)


def _row(at: int) -> str:
    return f"row {at + 1}"
