"""Parquet and Arrow: read quickly, refused when they lie."""

import io
import struct
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.data.reading.formats import read_table
from engine.data.reading.options import Bounds, Reading
from engine.errors import BadData

PARQUET = "application/vnd.apache.parquet"
ARROW, STREAM = "application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream"
FRAME = pl.DataFrame(
    {"n": [1, None, 3], "x": [0.5, 1.5, None], "flag": [True, False, None], "word": ["b", None, "a"]}
)
ROWS = [[1, 0.5, True, "b"], [None, 1.5, False, None], [3, None, None, "a"]]


def written(media_type: str, frame: pl.DataFrame = FRAME) -> bytes:
    buffer = io.BytesIO()
    write: Any = {PARQUET: frame.write_parquet, ARROW: frame.write_ipc, STREAM: frame.write_ipc_stream}
    write[media_type](buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("media_type", [PARQUET, ARROW, STREAM])
def test_typed_columns_are_taken_as_they_are(media_type: str) -> None:
    table = read_table(written(media_type), media_type)
    assert [column.type for column in table.columns] == ["number", "number", "boolean", "category"]
    assert table.rows(0, 3) == ROWS


@pytest.mark.parametrize("media_type", [PARQUET, ARROW, STREAM])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(media_type: str, share: float) -> None:
    data = written(media_type)
    with pytest.raises(BadData) as refused:
        read_table(data[: int(share * len(data))], media_type)
    assert refused.value.problems[0].code in {"not_parquet", "not_arrow", "no_rows"}


def test_bounds_are_held_before_anything_is_unpacked() -> None:
    bomb = pl.DataFrame({"x": pl.repeat(0, 5_000_000, eager=True)})
    data = written(PARQUET, bomb)
    assert len(data) < 200_000
    with pytest.raises(BadData, match="more than 1,000 rows"):
        read_table(data, PARQUET, Bounds(max_rows=1_000))


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("media_type", [ARROW, STREAM])
def test_a_size_that_no_memory_holds_is_refused_before_it_is_asked_for(
    media_type: str, tmp_path: Path, on_disk: bool
) -> None:
    """polars would ask for it, and the process would end."""
    buffer = io.BytesIO()
    frame = pl.DataFrame({"x": [0.5] * 100_000})
    (frame.write_ipc if media_type == ARROW else frame.write_ipc_stream)(buffer, compression="zstd")
    data, truth = buffer.getvalue(), struct.pack("<q", 800_000)
    assert truth in data
    lie = data.replace(truth, struct.pack("<q", 2**62))
    (tmp_path / "lie").write_bytes(lie)
    words = "unpacks to 4,611,686,018,427,387,904 bytes"
    with (
        (tmp_path / "lie").open("rb") if on_disk else io.BytesIO(lie) as file,
        pytest.raises(BadData, match=words) as refused,
    ):
        read_table(file, media_type)
    assert refused.value.problems[0].code == "too_large"
    with pytest.raises(BadData, match="at most"):
        read_table(data, media_type, Bounds(max_cells=10_000))
    assert read_table(data, media_type).row_count == 100_000


def test_a_nested_column_is_refused_without_telling_all_of_its_nesting() -> None:
    kind: Any = pl.Int64()
    for _ in range(100):
        kind = pl.List(kind)
    buffer = io.BytesIO()
    pl.DataFrame({"x": pl.Series([None], dtype=kind)}).write_parquet(buffer)
    with pytest.raises(BadData, match='column "x" holds List, which is neither'):
        read_table(buffer.getvalue(), "application/vnd.apache.parquet")


def test_what_is_not_finite_is_named_by_its_row() -> None:
    frame = pl.DataFrame({"x": [1.0, float("nan"), float("inf")]})
    with pytest.raises(BadData) as refused:
        read_table(written(PARQUET, frame), PARQUET)
    assert [problem.detail.partition(",")[0] for problem in refused.value.problems] == ["row 2", "row 3"]


def test_the_users_types_hold_here_too() -> None:
    frame = pl.DataFrame({"zip": [123, 45], "flag": [1, 0]})
    reading = Reading(types={"zip": "category", "flag": "boolean"})
    table = read_table(written(PARQUET, frame), PARQUET, reading=reading)
    assert table.rows(0, 2) == [["123", True], ["45", False]]
