"""Columns' names: there, and each its own."""

import pytest

from engine.data.reading.cells import Problems
from engine.data.reading.names import column_names
from engine.errors import BadData


def test_space_around_names_is_none_of_them() -> None:
    assert column_names([" x ", "y\t"], "line 1", Problems()) == ["x", "y"]


def test_every_name_that_is_missing_or_repeated_is_told_at_once() -> None:
    with pytest.raises(BadData) as refused:
        column_names(["x", "", None, "x"], "line 3", Problems())
    assert [problem.detail for problem in refused.value.problems] == [
        "line 3: column 2 has no name",
        "line 3: column 3 has no name",
        'line 3: 2 columns are called "x"',
    ]


def test_a_name_has_a_thousand_characters_at_most() -> None:
    assert column_names(["a" * 1_000], "line 1", Problems()) == ["a" * 1_000]
    with pytest.raises(BadData, match="line 1: the name of column 2 has 1,001 characters") as refused:
        column_names(["x", "a" * 1_001], "line 1", Problems())
    assert refused.value.problems[0].hint == "give it a name of at most 1,000"
