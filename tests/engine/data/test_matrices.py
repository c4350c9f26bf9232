"""Matrices out of bytes: what is right comes out, what lies is refused, nothing crashes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import polars
import pytest
from numpy.typing import NDArray

from engine.data.matrices import read_arrow, read_npy, read_raw
from engine.errors import BadData

MATRIX = np.array([[1.5, -2.0], [0.0, 3.25]])


def npy(matrix: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, matrix)
    return file.getvalue()


def test_raw_bytes_are_rows_of_float64() -> None:
    assert read_raw(MATRIX.tobytes(), 2).tolist() == MATRIX.tolist()
    with pytest.raises(BadData, match="a row of 3 float64 has 24 bytes, and the body of 32 is no multiple"):
        read_raw(MATRIX.tobytes(), 3)


@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", "<f2", "<i8", "<u1"])
def test_a_npy_file_of_any_numbers_is_read(kind: str) -> None:
    whole = np.array([[1, 2], [3, 4]]).astype(kind)
    assert read_npy(npy(whole)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert read_npy(npy(whole)).dtype == np.float64


@pytest.mark.parametrize("seed", range(5))
def test_damaged_bytes_are_refused_or_read_and_never_crash(seed: int) -> None:
    stream = io.BytesIO()
    polars.DataFrame({"x": [1.0, 2.0], "word": ["a", "b"]}).write_ipc_stream(stream)
    chance = random.Random(seed)
    readers: list[tuple[bytes, Callable[[bytes], Any]]] = [
        (npy(MATRIX), read_npy),
        (stream.getvalue(), partial(read_arrow, most_rows=100, most_bytes=10**6)),
    ]
    for data, read in readers:
        for _ in range(40):
            damaged = bytearray(data)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with suppress(BadData):
                assert len(read(bytes(damaged)))


@pytest.mark.parametrize("form", ["write_ipc", "write_ipc_stream"])
def test_nested_columns_are_refused_before_their_decoder_sees_them(form: str) -> None:
    file = io.BytesIO()
    getattr(polars.DataFrame({"x": [1.0], "y": [[2.0]]}), form)(file)
    with pytest.raises(BadData, match="a column of lists or records"):
        read_arrow(file.getvalue(), 10, 1000)
    file = io.BytesIO()
    getattr(polars.DataFrame({"x": [1.0], "y": ["a"], "z": [True]}), form)(file)
    assert read_arrow(file.getvalue(), 10, 1000) == {"x": [1.0], "y": ["a"], "z": [True]}
