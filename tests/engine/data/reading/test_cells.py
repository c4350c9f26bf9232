"""Cells: what is a number, a boolean, text, nothing; and which cell is blamed."""

import json
from typing import Any

import pytest

from engine.data.reading.formats import read_table, table_from_rows
from engine.data.table import Table
from engine.errors import BadData, Problem

CSV, JSON = "text/csv", "application/json"


def csv(text: str) -> Table:
    return read_table(text.encode(), CSV)


def rows(table: Table) -> list[list[Any]]:
    return table.rows(0, table.row_count)


def problems(data: Any, media_type: str = CSV) -> list[Problem]:
    text = data if isinstance(data, str) else json.dumps(data)
    with pytest.raises(BadData) as refusal:
        read_table(text.encode(), media_type)
    return list(refusal.value.problems)


@pytest.mark.parametrize("empty", ["", "NA", "N/A", "null", "None", "?", "-"])
def test_words_for_nothing_are_missing(empty: str) -> None:
    assert rows(csv(f"x,c\n1,a\n{empty},{empty}\n")) == [[1, "a"], [None, None]]


@pytest.mark.parametrize("text", ["1_000", "１２", "0x10", "1e", "--1", "1 5"])
def test_what_a_spreadsheet_would_not_write_is_text(text: str) -> None:
    assert csv(f"x\n{text}\n2\n").columns[0].type == "category"


@pytest.mark.parametrize("text", ["+1", "1.", ".5", "-0.0", "1E5", "007"])
def test_numbers_in_every_spelling_are_numbers(text: str) -> None:
    assert csv(f"x\n{text}\n").columns[0].values.tolist() == [float(text)]


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", "1e999", "-1e999"])
def test_what_is_not_finite_is_named_by_line_and_column(cell: str) -> None:
    (problem,) = problems(f"x,y\n1,2\n3,{cell}\n")
    assert problem.code == "not_finite"
    assert problem.detail == f'line 3, column "y": "{cell}" is not a finite number'


def test_only_the_first_twenty_problems_are_told() -> None:
    found = problems("x\n" + "inf\n" * 50)
    assert len(found) == 20
    assert "line 21," in found[-1].detail


def test_mixed_columns_are_categories_numbers_never_parsed_from_text() -> None:
    table = table_from_rows(["a", "b", "c"], [[1, "1", "true"], ["x", "2", "FALSE"], [True, "3", None]])
    assert [column.type for column in table.columns] == ["category", "category", "boolean"]
    assert rows(table)[2] == ["true", "3", None]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_what_is_not_finite_has_its_pointer(bad: float) -> None:
    (problem,) = problems({"columns": ["x", "y"], "rows": [[1, 2], [3, bad]]}, JSON)
    assert (problem.pointer, problem.code) == ("/rows/1/1", "not_finite")
    (problem,) = problems([{"x": 1}, {"x": bad}], JSON)
    assert (problem.pointer, problem.code) == ("/records/1/x", "not_finite")
    assert 'row 2, column "x"' in problem.detail


def test_a_number_too_large_to_write_is_not_finite() -> None:
    (problem,) = problems('{"columns": ["x"], "rows": [[1e999]]}', JSON)
    assert (problem.pointer, problem.code) == ("/rows/0/0", "not_finite")


@pytest.mark.parametrize("cell", [[], {}, [1]])
def test_a_cell_is_a_scalar(cell: Any) -> None:
    (problem,) = problems({"columns": ["x"], "rows": [[1], [cell]]}, JSON)
    assert (problem.pointer, problem.code) == ("/rows/1/0", "wrong_type")
