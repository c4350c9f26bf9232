"""Tables as they are kept: some rows or a column at a time, in the memory of these."""

from pathlib import Path

import numpy as np
import pytest

from engine.data.reading.formats import table_from_rows
from engine.data.stored import StoredTable
from engine.data.table import Table

ROWS = [[i, 0.5 * i, i % 2 == 0, "abc"[i % 3] if i % 5 else None] for i in range(50)]
TABLE = table_from_rows(["n", "x", "flag", "word"], ROWS)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("engine.data.table.ROW_GROUP_CELLS", 28)  # seven rows a group
    path = tmp_path / "table.parquet"
    path.write_bytes(TABLE.to_parquet())
    return path


def test_some_rows_are_those_of_the_table(path: Path) -> None:
    with path.open("rb") as file:
        stored = StoredTable(file)
        assert (stored.names, stored.row_count) == (TABLE.names, 50)
        for start, stop in ((0, 3), (5, 20), (48, 60), (50, 51), (7, 7)):
            part = stored.rows(start, stop)
            assert part.rows(0, part.row_count) == ROWS[start:stop]


@pytest.mark.parametrize("most", [1, 5, 7, 100])
def test_the_parts_are_the_table(path: Path, most: int) -> None:
    with path.open("rb") as file:
        parts = list(StoredTable(file).parts(most))
    assert max(part.row_count for part in parts) <= most
    assert [row for part in parts for row in part.rows(0, part.row_count)] == ROWS


def test_the_profile_is_the_tables_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.stored.ROWS_OF_A_COLUMN", 11)
    with path.open("rb") as file:
        assert StoredTable(file).profile() == Table.from_parquet(path.read_bytes()).profile()


def test_numbers_of_a_part_read_as_those_of_the_whole_do(path: Path) -> None:
    with path.open("rb") as file:
        part = StoredTable(file, TABLE.profile()).rows(2, 3)
    assert [type(cell) for cell in part.rows(0, 1)[0]] == [int, float, bool, str]
    assert np.isnan(table_from_rows(["n"], [[None], [1]]).column("n").values[0])
