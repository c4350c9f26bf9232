"""Parquet and Arrow in: columns that say their types themselves, which may lie."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import SEEK_END, UnsupportedOperation
from mmap import ACCESS_READ, mmap
from typing import BinaryIO, Protocol

import polars as pl

from engine.data.arrow_sizes import unpacked_bytes
from engine.data.profile import ColumnType
from engine.data.reading.cells import Problems
from engine.data.reading.names import column_names
from engine.data.reading.options import Bounds, Reading
from engine.data.reading.texts import BAD_CELLS_KEPT, TextColumn
from engine.errors import BadData

_BROKEN = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
)
CELL_BYTES = 16  # what a text takes beside its letters; a number takes half of it
_TEXTS = (pl.String, pl.Categorical, pl.Enum)


def read_parquet(source: BinaryIO, bounds: Bounds, reading: Reading) -> ColumnarFrames:
    """A Parquet file with columns of numbers, booleans and text."""
    return ColumnarFrames("Parquet", lambda: pl.scan_parquet(source), bounds, reading)


def read_arrow(source: BinaryIO, bounds: Bounds, reading: Reading) -> ColumnarFrames:
    """An Arrow IPC file, also called Feather."""
    return ColumnarFrames("an Arrow file", lambda: pl.scan_ipc(_modest(source, bounds)), bounds, reading)


def read_arrow_stream(source: BinaryIO, bounds: Bounds, reading: Reading) -> ColumnarFrames:
    """An Arrow IPC stream, which cannot be read in parts."""
    return ColumnarFrames(
        "an Arrow stream", lambda: pl.read_ipc_stream(_modest(source, bounds)).lazy(), bounds, reading
    )


def _modest(source: BinaryIO, bounds: Bounds) -> BinaryIO:
    """The Arrow file, once it is known to say no monstrous sizes; raises BadData, ValueError, struct.error.

    polars asks for what a packed buffer says that it unpacks to, and where there is not so much memory the
    whole process ends: that is no error that could be caught.
    """
    if not source.seek(0, SEEK_END):
        raise ValueError("it is empty")
    source.seek(0)
    try:
        with mmap(source.fileno(), 0, access=ACCESS_READ) as mapped:
            packed, size = len(mapped), unpacked_bytes(mapped)
    except UnsupportedOperation:  # a file in memory
        data = source.read()
        packed, size = len(data), unpacked_bytes(data)
    most = packed + CELL_BYTES * bounds.max_cells
    if size > most:
        detail = f"the file says that it unpacks to {size:,} bytes, at most {most:,} are read"
        raise BadData.because(detail, code="too_large", hint="send fewer rows, or write them unpacked")
    source.seek(0)
    return source


class ColumnarFrames:
    """A file of typed columns, opened by `scan`; raises BadData where it is none, or beyond the bounds."""

    notes: tuple[str, ...] = ()

    def __init__(self, kind: str, scan: Callable[[], pl.LazyFrame], bounds: Bounds, reading: Reading) -> None:
        self._kind, self._reading = kind, reading
        with self._explained():
            self._lazy = scan()
            self._schema = self._lazy.collect_schema()
            # What the file says of itself is checked before anything is unpacked.
            height = self._height = int(self._lazy.select(pl.len()).collect().item())
        bounds.check(height, len(self._schema), height * len(self._schema))
        if not height:
            raise BadData.because("the file has no rows", code="no_rows", hint="add at least one row")
        problems = Problems()
        self._names = column_names(list(self._schema), "the schema", problems)
        reading.check_names(self._names)
        self._types = {column.name: column.type for column in self._columns(problems)}
        problems.check()

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The columns in file order."""
        return self._types

    def read(self) -> Iterator[pl.DataFrame]:
        """All rows; raises BadData for cells that do not fit."""
        problems, count = Problems(), 0
        columns = self._columns(problems)
        with self._explained():
            for batch in self._lazy.collect_batches(maintain_order=True):
                count += batch.height
                yield pl.DataFrame([column.add(cells) for column, cells in zip(columns, batch, strict=True)])
            if count != self._height:  # where polars stumbles, the batches end without a word
                raise ValueError(f"it promises {self._height:,} rows and holds {count:,} that can be read")
        for column in columns:
            column.report(_row, problems)
        problems.check()

    def _columns(self, problems: Problems) -> list[_Column]:
        made: list[_Column] = []
        for name, kind in zip(self._names, self._schema.values(), strict=True):
            wanted = self._reading.types.get(name)
            if kind == pl.Boolean and wanted in (None, "boolean"):
                made.append(_TypedColumn(name, "boolean"))
            elif kind in _TEXTS or kind == pl.Boolean or wanted in ("boolean", "category"):
                made.append(_WordColumn(name, self._reading))
            else:
                made.append(_TypedColumn(name, "number"))
                if not kind.is_numeric():
                    shown = kind.base_type() if kind.is_nested() else kind  # the whole of it may never end
                    detail = f'column "{name}" holds {shown}, which is neither number, boolean nor text'
                    problems.add("", "wrong_type", detail, "convert the column before sending")
        return made

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BadData:
            raise
        except _BROKEN as error:
            detail = f"the file is not {self._kind}: {_reason(error)}"
            code = "not_parquet" if self._kind == "Parquet" else "not_arrow"
            raise BadData.because(detail, code=code, hint="write the file anew and send all of it") from None


class _Column(Protocol):
    name: str

    @property
    def type(self) -> ColumnType: ...
    def add(self, cells: pl.Series) -> pl.Series: ...
    def report(self, place: Callable[[int], str], problems: Problems) -> None: ...


class _WordColumn(TextColumn):
    """Text stays text, unless the user says otherwise: the file's own types are meant."""

    def __init__(self, name: str, reading: Reading) -> None:
        super().__init__(name, reading, kind="category")

    def add(self, cells: pl.Series) -> pl.Series:
        """The next cells, of any type."""
        return super().add(cells.cast(pl.String))


class _TypedColumn:
    """Numbers or booleans that are there already."""

    def __init__(self, name: str, kind: ColumnType) -> None:
        self.name, self.type = name, kind
        self._rows, self._bad = 0, list[tuple[int, object]]()

    def add(self, cells: pl.Series) -> pl.Series:
        """The next cells."""
        if self.type == "boolean":
            return cells.alias(self.name)
        numbers = cells.cast(pl.Float64)
        bad = (~numbers.is_finite()).fill_null(value=False)
        if bad.any():
            found = bad.arg_true().to_list()[: BAD_CELLS_KEPT - len(self._bad)]
            self._bad += [(self._rows + at, cells[at]) for at in found]
        self._rows += len(cells)
        return numbers.alias(self.name)

    def report(self, place: Callable[[int], str], problems: Problems) -> None:
        """Each cell that is no finite number becomes a problem."""
        for row, cell in self._bad:
            detail = f'{place(row)}, column "{self.name}": {cell} is not a finite number'
            problems.add("", "not_finite", detail, "write null if the value is missing")


def _reason(error: BaseException) -> str:
    """What polars says in words for users; it tells others of its insides, or of itself."""
    said = str(error).partition("\n")[0]
    if isinstance(error, pl.exceptions.PanicException) or "unwrap()" in said or "polars[" in said:
        return "what it says of its parts and lengths cannot be true"
    return said


def _row(at: int) -> str:
    return f"row {at + 1}"
