"""Tables and their profiles against NumPy; Parquet back and forth."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.profile import Profile
from engine.data.reading.formats import read_table, table_from_rows
from engine.data.table import Table
from engine.errors import BadData

ROWS: list[list[Any]] = [
    [1, 0.5, True, "b", "r1"],
    [2, None, None, "a", "r2"],
    [2, -3.25, False, None, "r3"],
    [5, 1e300, False, "b", "r4"],
]
TABLE = table_from_rows(["n", "x", "flag", "c", "id"], ROWS)


def test_rows_come_out_as_they_went_in() -> None:
    assert TABLE.rows(0, 4) == ROWS
    assert TABLE.rows(1, 3) == ROWS[1:3]
    assert TABLE.rows(3, 99) == ROWS[3:]
    assert TABLE.rows(4, 5) == []
    assert [type(cell) for cell in TABLE.rows(0, 1)[0]] == [int, float, bool, str, str]


def test_columns_are_found_by_name() -> None:
    assert TABLE.column("x").values[0] == 0.5
    assert TABLE.column("c").categories == ("a", "b")
    assert TABLE.column("c").is_missing.tolist() == [False, False, True, False]
    with pytest.raises(BadData, match='no column "q"'):
        TABLE.column("q")


def test_some_rows_make_a_table_in_the_order_given() -> None:
    assert TABLE.take(np.array([3, 0])).rows(0, 2) == [ROWS[3], ROWS[0]]


def test_the_profile_has_numpys_statistics() -> None:
    generator = np.random.default_rng(1)
    numbers = generator.normal(3.0, 2.0, 500)
    cells = [None if i % 7 == 0 else float(x) for i, x in enumerate(numbers)]
    column = table_from_rows(["x"], [[cell] for cell in cells]).profile().columns[0]
    present = np.array([cell for cell in cells if cell is not None])
    assert (column.missing, column.distinct) == (72, 428)
    assert (column.min, column.max) == (present.min(), present.max())
    assert column.mean == pytest.approx(np.mean(present), rel=1e-14)
    assert column.std == pytest.approx(np.sqrt(np.mean((present - present.mean()) ** 2)), rel=1e-13)
    assert column.categories == ()


def test_the_profile_counts_what_occurs() -> None:
    profile = TABLE.profile()
    assert profile.row_count == 4
    by_name = {column.name: column for column in profile.columns}
    assert by_name["flag"].categories == ((False, 2), (True, 1))
    assert by_name["c"].categories == (("a", 1), ("b", 2))
    assert by_name["n"].categories == ((1, 1), (2, 2), (5, 1))
    assert by_name["n"].integer
    assert not by_name["x"].integer
    assert [type(value) for value, _ in by_name["n"].categories] == [int, int, int]
    assert profile.names == ("n", "x", "flag", "c", "id")
    assert profile.column("q") is None


def test_warnings_tell_of_empty_constant_and_identifying_columns() -> None:
    table = table_from_rows(["e", "c", "id", "n"], [[None, 7, "a", 1], [None, 7, "b", 2], [None, 7, "c", 3]])
    warnings = table.profile().warnings
    assert len(warnings) == 3
    assert warnings[:2] == ('column "e" is empty', 'column "c" is constant')
    assert 'column "id" is text with 3 distinct values in 3 rows; it is left out' in warnings[2]


def test_the_api_is_shown_the_contracts_members() -> None:
    public = {column["name"]: column for column in TABLE.profile().public_columns()}
    statistics = {"min", "max", "mean", "std", "histogram"}
    assert set(public["x"]) == {"name", "type", "missing", "distinct"} | statistics
    assert public["c"] == {
        "name": "c",
        "type": "category",
        "missing": 1,
        "distinct": 2,
        "categories": [{"value": "a", "count": 1}, {"value": "b", "count": 2}],
    }
    assert public["flag"]["categories"] == [{"value": False, "count": 2}, {"value": True, "count": 1}]


def test_an_empty_column_has_no_statistics_and_no_noise() -> None:
    column = table_from_rows(["x", "y"], [[None, 1], [None, 2]]).profile().columns[0]
    assert (column.missing, column.distinct) == (2, 0)
    assert (column.min, column.mean) == (None, None)


def test_profiles_survive_json() -> None:
    profile = TABLE.profile()
    assert Profile.from_document(json.loads(json.dumps(profile.to_document()))) == profile


def test_equal_tables_give_equal_parquet() -> None:
    again = table_from_rows(["n", "x", "flag", "c", "id"], ROWS)
    assert TABLE.to_parquet() == again.to_parquet()


cells = st.one_of(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    st.lists(st.none() | st.booleans(), min_size=3, max_size=3),
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3),
    st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=3, max_size=3),
)


def test_large_numbers_have_finite_statistics() -> None:
    column = table_from_rows(["x"], [[1e308], [-1e308], [1e308], [-1e308]]).profile().columns[0]
    assert (column.mean, column.std) == (0.0, 1e308)


@settings(max_examples=40)
@given(st.lists(cells, min_size=1, max_size=4))
def test_parquet_brings_back_every_cell(columns: list[list[Any]]) -> None:
    table = table_from_rows([f"c{i}" for i in range(len(columns))], list(zip(*columns, strict=True)))
    data = table.to_parquet()
    back = Table.from_parquet(data)
    assert back.rows(0, 3) == table.rows(0, 3)
    assert [c.type for c in back.columns] == [c.type for c in table.columns]
    assert back.profile() == table.profile()
    assert back.to_parquet() == data


def test_what_was_kept_reads_as_an_upload_too() -> None:
    assert read_table(TABLE.to_parquet(), "application/vnd.apache.parquet").rows(0, 4) == ROWS
