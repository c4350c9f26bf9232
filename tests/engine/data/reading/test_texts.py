"""Columns of text in parts: what is decided late, and what the user decides."""

import random
from typing import Any

import polars as pl
import pytest

from engine.data.reading.formats import read_table
from engine.data.reading.options import NULLS, Reading
from engine.data.reading.texts import TextColumn
from engine.data.table import Column, Table, column_of
from engine.errors import BadData, Problem


def column(*parts: list[str], reading: Reading = Reading(), **options: Any) -> Column:  # noqa: B008 - frozen
    built = TextColumn("x", reading, **options)
    for part in parts:
        built.add(pl.Series(part, dtype=pl.String))
    again = TextColumn("x", reading, kind=built.kind, **options)
    return column_of(pl.concat([again.add(pl.Series(part, dtype=pl.String)) for part in parts]))


def csv(text: str, **reading: Any) -> Table:
    return read_table(text.encode(), "text/csv", reading=Reading(**reading))


def refused(text: str, **reading: Any) -> list[Problem]:
    with pytest.raises(BadData) as refusal:
        csv(text, **reading)
    return list(refusal.value.problems)


@pytest.mark.parametrize(
    ("parts", "kind", "cells"),
    [
        ([["", "NA"], ["1", "2.5"]], "number", [None, None, 1.0, 2.5]),
        ([["?"], ["true"], ["FALSE"]], "boolean", [None, True, False]),
        ([[""], ["b", "a"], ["a", "-"]], "category", [None, "b", "a", "a", None]),
        ([["", ""], [""]], "category", [None, None, None]),
    ],
)
def test_a_column_is_what_its_parts_are_together(parts: Any, kind: str, cells: list[Any]) -> None:
    read = column(*parts)
    assert (read.type, read.cells()) == (kind, cells)


def test_text_that_comes_late_turns_all_of_a_column_to_text() -> None:
    late = TextColumn("x", Reading())
    for part in (["1", "2"], ["x", "3"]):
        late.add(pl.Series(part, dtype=pl.String))
    assert late.type == "category"
    rows = ["1.50"] * 700_000 + ["late"]
    read = csv("x,y\n" + "".join(f"{cell},1\n" for cell in rows))
    assert read.column("x").categories == ("1.50", "late")
    assert read.column("y").type == "number"


def test_infinity_is_a_problem_among_numbers_and_a_word_among_words() -> None:
    assert column(["inf", "nan", "x"]).categories == ("inf", "nan", "x")
    (problem,) = refused("x\n1\ninf\n")
    assert problem.code == "not_finite"


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("x;y\n1,5;2\n-3;4,25e1\n", [[1.5, 2.0], [-3.0, 42.5]]),
        ("x\ty\n1,5\t2.5\n2\t3\n", [[1.5, 2.5], [2.0, 3.0]]),
        ("x;y\n1,5;a,b\n2,5;c\n", [[1.5, "a,b"], [2.5, "c"]]),
        ("x;y\n1,5;0\n2.5;0\n", [["1,5", 0], ["2.5", 0]]),
        ('x,y\n"1,5",2\n"2,5",3\n', [["1,5", 2], ["2,5", 3]]),
        ("x;y\n1.234,5;0\n1;0\n", [["1.234,5", 0], ["1", 0]]),
    ],
)
def test_a_decimal_comma_is_read_where_it_can_mean_nothing_else(text: str, cells: list[Any]) -> None:
    assert csv(text).rows(0, 2) == cells


def test_the_user_decides_what_means_missing() -> None:
    assert csv("x\n-99\n?\n3\n", nulls=frozenset({"-99", "?"})).column("x").cells() == [None, None, 3]
    assert csv("x\nNA\nNA\nb\n", nulls=frozenset()).column("x").cells() == ["NA", "NA", "b"]
    assert frozenset({"", "NA", "N/A", "null", "None", "?", "-"}) == NULLS


def test_the_user_decides_what_a_column_is() -> None:
    text = "zip,flag,n\n01234,1,5\n98765,no,\n"
    read = csv(text, types={"zip": "category", "flag": "boolean", "n": "number"})
    assert read.rows(0, 2) == [["01234", True, 5], ["98765", False, None]]


@pytest.mark.parametrize(
    ("types", "detail"),
    [
        ({"x": "number"}, 'line 3, column "x": "two" is not a number'),
        ({"x": "boolean"}, 'line 2, column "x": "7" is not one of true, false, yes, no, 1, 0'),
    ],
)
def test_a_cell_that_is_not_what_the_user_says_is_named(types: Any, detail: str) -> None:
    assert detail in [problem.detail for problem in refused("x,y\n7,1\ntwo,2\n", types=types)]


def test_a_type_of_no_column_is_refused() -> None:
    (problem,) = refused("zip,y\n1,2\n", types={"zop": "category"})
    assert (problem.pointer, problem.hint) == ("/types/zop", 'did you mean "zip"?')


def test_json_cells_follow_the_users_types_too() -> None:
    rows = b'[{"zip": 123, "y": 1}, {"zip": 45, "y": 0}]'
    read = read_table(rows, "application/json", reading=Reading(types={"zip": "category", "y": "boolean"}))
    assert read.rows(0, 2) == [["123", True], ["45", False]]
    with pytest.raises(BadData, match='row 1, column "x": "a" is not a number'):
        read_table(b'[{"x": "a"}]', "application/json", reading=Reading(types={"x": "number"}))


def test_many_parts_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    words = ["red", '"a ""b"" c"', '"two\nlines"', "x y", "NA", '"1,5"']
    text = "n,word,t\n" + "".join(
        f"{draw.random()},{draw.choice(words)},{draw.choice(['true', 'false', ''])}\n" for _ in range(500)
    )
    whole = csv(text)
    monkeypatch.setattr("engine.data.reading.lines.parts_of.__defaults__", (257,))
    assert csv(text).to_parquet() == whole.to_parquet()
