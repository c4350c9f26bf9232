"""Rows to predict as arrays: the quick way gives what the strict one gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.data.fitting.preprocessing import Input
from engine.errors import BadData
from engine.models.instances import encode_instances
from engine.models.rows import RowReader

NUMBERS = (
    Input("x1", "number", offset=1.0, scale=2.0, lowest=-1.0, highest=1.0),
    Input("x2", "number", fill=0.5, lowest=0.0, highest=9.0),
)
MIXED = (
    Input("size", "number", offset=0.5, scale=3.0, fill=2.0),
    Input("kind", "category", ("cat", "dog"), fill=1.0),
    Input("flag", "boolean"),
)
ROWS = [[0.25, 3], [1, 0.125]]


@pytest.mark.parametrize(
    ("inputs", "instances"),
    [
        (NUMBERS, ROWS),
        (NUMBERS, [{"x2": 3.0, "x1": 0.25}]),
        (NUMBERS, [[1.0, None]]),
        (NUMBERS, [{"x2": 3.0, "x1": 0.25}, [1, 2]]),
        (MIXED, [[1.5, "dog", True], {"size": None, "kind": None, "flag": False}]),
    ],
)
def test_what_is_read_and_encoded_is_what_the_strict_way_gives(
    inputs: tuple[Input, ...], instances: list[object]
) -> None:
    reader = RowReader(inputs)
    assert reader.encode(reader.read(instances)).tolist() == encode_instances(inputs, instances).tolist()


def test_columns_and_matrices_are_the_same_rows() -> None:
    reader = RowReader(NUMBERS)
    wanted = reader.read(ROWS).tolist()
    assert reader.read_columns({"x2": [3, 0.125], "x1": [0.25, 1]}).tolist() == wanted
    assert reader.read_matrix(np.array(ROWS, dtype=np.float64)).tolist() == wanted
    mixed = RowReader(MIXED)
    columns = {"size": [1.0, None], "kind": ["dog", "cat"], "flag": [True, False]}
    rows = [[1.0, "dog", True], [None, "cat", False]]
    assert np.array_equal(mixed.read_columns(columns), mixed.read(rows), equal_nan=True)


@pytest.mark.parametrize("cell", [True, "1", 10**400, float("nan"), float("inf"), [1], {}])
def test_a_cell_that_is_no_finite_number_is_named(cell: object) -> None:
    reader = RowReader(NUMBERS)
    ways: list[tuple[Callable[[], object], str]] = [
        (lambda: reader.read([[0, 0], [0, cell]]), "/instances/1/1"),
        (lambda: reader.read([{"x1": cell, "x2": 0}]), "/instances/0/x1"),
        (lambda: reader.read_columns({"x1": [0, cell], "x2": [0, 0]}), "/columns/x1/1"),
    ]
    for read, at in ways:
        with pytest.raises(BadData) as caught:
            read()
        assert [problem.pointer for problem in caught.value.problems] == [at]


def test_a_matrix_may_leave_out_what_the_model_fills_in() -> None:
    reader = RowReader(NUMBERS)
    assert reader.encode(reader.read_matrix(np.array([[3.0, np.nan]]))).tolist() == [[1.0, 0.5]]
    with pytest.raises(BadData, match='input "x1" must be a finite number, got nan'):
        reader.read_matrix(np.array([[np.nan, 1.0]]))
    with pytest.raises(BadData, match=r'input "flag" must be 0 or 1, got 0\.5'):
        RowReader((MIXED[2],)).read_matrix(np.array([[1.0], [0.5]]))
    with pytest.raises(BadData, match='input "kind" is text, and a matrix holds numbers only'):
        RowReader(MIXED).read_matrix(np.zeros((1, 3)))


def test_at_most_twenty_problems_are_told() -> None:
    with pytest.raises(BadData) as caught:
        RowReader(NUMBERS).read([["a", "b"]] * 1000)
    assert len(caught.value.problems) == 20


def test_only_cells_outside_the_training_data_bring_warnings() -> None:
    reader = RowReader(NUMBERS)
    assert reader.warnings(reader.read([[1.0, 0.0], [-1.0, None]])) == {}
    assert reader.warnings(reader.read([[0.0, 9.5], [0, 0]])) == {
        0: ['"x2" is 9.5, outside the 0 to 9 seen in training']
    }
