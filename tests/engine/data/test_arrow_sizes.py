"""What Arrow bodies say that they unpack to: counted before anything is, and refused beyond the bound."""

from __future__ import annotations

import io
import random
import struct
from contextlib import suppress
from typing import Any, Literal

import polars
import pytest

from engine.data import arrow_sizes
from engine.data.arrow_sizes import unpacked_bytes
from engine.data.matrices import read_arrow
from engine.errors import BadData

SIZE = 5_000_000
BOMBS = {
    "numbers": polars.DataFrame({"x": [0.0] * (SIZE // 8)}),
    "one text": polars.DataFrame({"x": ["a" * SIZE]}),
    "dictionary": polars.DataFrame({"x": polars.Series(["a" * SIZE, "b"]).cast(polars.Categorical)}),
}


def arrow(table: polars.DataFrame, form: str, compression: Literal["uncompressed", "lz4", "zstd"]) -> bytes:
    file = io.BytesIO()
    write: Any = table.write_ipc if form == "file" else table.write_ipc_stream
    write(file, compression=compression)
    return file.getvalue()


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_what_would_unpack_beyond_the_bound_is_refused(bomb: str, form: str, compression: Any) -> None:
    data = arrow(BOMBS[bomb], form, compression)
    assert len(data) < SIZE / 50
    assert SIZE <= unpacked_bytes(data) < SIZE + 1_000
    with pytest.raises(BadData, match=r"the Arrow body unpacks to \d+ bytes, at most 4000000 are read"):
        read_arrow(data, 100, 4_000_000)
    assert len(read_arrow(data, 100, SIZE + 1_000)["x"]) == min(100, BOMBS[bomb].height)


@pytest.mark.parametrize("form", ["file", "stream"])
def test_plain_buffers_unpack_to_nothing(form: str) -> None:
    assert unpacked_bytes(arrow(BOMBS["numbers"], form, "uncompressed")) == 0


def test_endless_messages_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_sizes, "MOST_PIECES", 5)
    with pytest.raises(ValueError, match="more than 5 messages and buffers"):
        unpacked_bytes(arrow(polars.DataFrame({f"x{i}": [1.0] for i in range(9)}), "file", "zstd"))


def test_many_columns_of_little_are_refused_before_they_become_cells() -> None:
    data = arrow(polars.DataFrame({f"x{i}": [False] * 1_000 for i in range(200)}), "stream", "zstd")
    with pytest.raises(BadData, match="unpacks to 1600000 bytes"):
        read_arrow(data, 1_000, 1_000_000)


@pytest.mark.parametrize("form", ["file", "stream"])
def test_damaged_sizes_raise_what_the_reader_expects(form: str) -> None:
    data, chance = arrow(BOMBS["one text"], form, "zstd"), random.Random(7)
    for _ in range(2_000):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(struct.error, ValueError):
            assert unpacked_bytes(bytes(damaged)) >= 0
