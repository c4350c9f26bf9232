"""Files as frames: the same Parquet however it is written, read a second time where types come late."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from engine.data.profile import ColumnType
from engine.data.reading.formats import convert, read_table
from engine.data.reading.frames import Mistyped, WholeTable, to_parquet, to_table
from engine.data.reading.options import USUAL_BOUNDS, Reading
from engine.data.table import Table
from engine.errors import BadData

PARQUET = "application/vnd.apache.parquet"
TEXTS = {
    "numbers": "x,y\n" + "1.5,2\n,3\n" * 200,
    "text that comes late": "x,y\n" + "1,2\n" * 200 + "late,3\n",
    "numbers that come late": "x,y\n" + ",2\n" * 200 + "4,3\n",
    "booleans that come late": "x,y\n" + ",2\n" * 200 + "true,3\n",
    "text that comes after both": "x,y\n" + ",2\n" * 200 + "true,3\n" * 100 + "4,a\n",
    "a column without a cell": "x,y\n" + ",2\n" * 200,
    "cells over lines": "x,y\n" + '"a\nb",2\n' * 200,
}


def kept(source: bytes, media_type: str, folder: Path, reading: Reading) -> tuple[bytes, list[str]]:
    with (folder / "target").open("w+b") as target:
        profile = convert(io.BytesIO(source), media_type, target, USUAL_BOUNDS, reading)
        target.seek(0)
        data = target.read()
    table = read_table(source, media_type, reading=reading)
    assert data == table.to_parquet()
    assert profile == table.profile()
    return data, [column.type for column in profile.columns]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("part", [64, 2**20])
def test_files_are_kept_as_tables_are(
    name: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.reading.lines.parts_of.__defaults__", (part,))
    data, types = kept(TEXTS[name].encode(), "text/csv", tmp_path, Reading())
    monkeypatch.undo()
    assert data == read_table(TEXTS[name].encode(), "text/csv").to_parquet()
    kept(data, PARQUET, tmp_path, Reading())
    assert types[0] == ("category" if name.startswith(("text", "a column", "cells")) else types[0])


def test_groups_of_rows_do_not_depend_on_the_parts_they_came_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.table.ROW_GROUP_CELLS", 100)
    rows = "".join(f"{i},{i % 7}\n" for i in range(2_000))
    monkeypatch.setattr("engine.data.reading.lines.parts_of.__defaults__", (333,))
    kept(f"x,y\n{rows}".encode(), "text/csv", tmp_path, Reading())


def test_what_is_refused_while_polars_writes_is_refused_in_our_words(tmp_path: Path) -> None:
    with (tmp_path / "target").open("w+b") as target, pytest.raises(BadData) as refusal:
        convert(io.BytesIO(b"x\n1\ninf\n"), "text/csv", target)
    assert refusal.value.problems[0].detail == 'line 3, column "x": "inf" is not a finite number'


class Changing:
    """Frames whose types are known only after a first reading."""

    notes = ("read twice",)

    def __init__(self) -> None:
        self.types: dict[str, ColumnType] = {"x": "number"}

    def read(self) -> Iterator[pl.DataFrame]:
        if self.types == {"x": "number"}:
            yield pl.DataFrame({"x": [1.0]})
            self.types = {"x": "category"}
            raise Mistyped
        yield pl.DataFrame({"x": ["1", "a"]})


def test_nothing_stays_of_a_reading_with_wrong_types(tmp_path: Path) -> None:
    table = to_table(Changing())
    assert (table.rows(0, 3), table.notes) == ([["1"], ["a"]], ("read twice",))
    with (tmp_path / "target").open("w+b") as target:
        assert to_parquet(Changing(), target).warnings[0] == "read twice"
        target.seek(0)
        assert Table.from_parquet(target).rows(0, 3) == [["1"], ["a"]]


def test_a_table_in_memory_is_frames_too(tmp_path: Path) -> None:
    table = read_table(b'[{"x": 1, "y": "a"}]', "application/json")
    assert to_table(WholeTable(table)) is table
    kept(b'[{"x": 1, "y": "a"}, {"x": null, "y": null}]', "application/json", tmp_path, Reading())
