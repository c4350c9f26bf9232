"""Matrices and columns out of binary bodies: raw float64, NumPy's .npy, Arrow. Trusts no header's word."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import polars
from numpy.typing import NDArray

from engine.data.arrow_sizes import FILE_MAGIC, is_nested, unpacked_bytes
from engine.errors import BadData, Problem

Array = NDArray[np.float64]
_CELL_BYTES = 8
MAGIC = b"\x93NUMPY"

# What numpy.save writes. NumPy's own reader evaluates the header as Python and trips over a damaged one.
_HEADER = re.compile(
    rb"\{'descr': '(?P<kind>[<>]f[248]|[<>|][iu][1248])', 'fortran_order': (?P<by_column>True|False), "
    rb"'shape': \((?P<rows>[0-9]{1,12}), (?P<columns>[0-9]{1,12})\),? ?\} *\n"
)


def read_raw(data: bytes, columns: int) -> Array:
    """(rows, columns) out of little-endian float64, row by row; raises BadData."""
    width = 8 * columns
    if not data or len(data) % width:
        detail = f"a row of {columns} float64 has {width} bytes, and the body of {len(data)} is no multiple"
        raise BadData.because(detail, code="wrong_count", hint="send float64, little-endian, row by row")
    return np.frombuffer(data, dtype="<f8").reshape(-1, columns)


def read_npy(data: bytes) -> Array:
    """(rows, columns) out of a .npy file of floats or integers; raises BadData."""
    start = 10 if data[6:7] == b"\x01" else 12  # version 1 counts its header in two bytes, the others in four
    end = start + int.from_bytes(data[8:start], "little")
    header = _HEADER.fullmatch(data[start:end])
    if not data.startswith(MAGIC) or header is None:
        raise _bad_npy("its header is not that of floats or integers in rows and columns")
    kind, by_column = np.dtype(header["kind"].decode()), header["by_column"] == b"True"
    shape, rest = (int(header["rows"]), int(header["columns"])), data[end:]
    if shape[0] * shape[1] * kind.itemsize != len(rest) or not all(shape):
        raise _bad_npy(f"its header promises {shape[0]} x {shape[1]} numbers, {len(rest)} bytes follow")
    matrix = np.frombuffer(rest, dtype=kind).reshape(shape, order="F" if by_column else "C")
    return np.ascontiguousarray(matrix, dtype=np.float64)


def read_arrow(data: bytes, most_rows: int, most_bytes: int) -> dict[str, list[Any]]:
    """Cells by column's name out of an Arrow stream or file, of at most so many rows; raises BadData.

    A packed file may say a lot in few bytes: it is refused unread where it says that it unpacks to more than
    `most_bytes`, and what lies beyond the rows is not unpacked into cells.
    """
    read = polars.read_ipc if data.startswith(FILE_MAGIC) else polars.read_ipc_stream
    try:
        _check_size(unpacked_bytes(data), most_bytes)
        if is_nested(data):
            detail = "the Arrow body has a column of lists or records"
            raise BadData.because(detail, code="wrong_type", hint="send numbers, booleans and texts")
        table = read(io.BytesIO(data), n_rows=most_rows)
        _check_size(table.height * table.width * _CELL_BYTES, most_bytes)
        columns: dict[str, list[Any]] = table.to_dict(as_series=False)
    except BadData:
        raise
    except BaseException as error:  # polars panics on some damage, and its panic is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        detail = f"the body is no Arrow stream or file: {str(error)[:200]}"
        raise BadData.because(detail, code="not_arrow") from None
    if not columns or not table.height:
        raise BadData.because("the Arrow table is empty", code="out_of_range", hint="send at least one row")
    return columns


def _check_size(size: int, most: int) -> None:
    if size > most:
        detail = f"the Arrow body unpacks to {size} bytes, at most {most} are read"
        raise BadData.because(detail, code="out_of_range", hint="send fewer rows at once")


def _bad_npy(reason: str) -> BadData:
    return BadData([Problem("", "not_npy", f"the body is no usable .npy file: {reason}")])
