"""Bounds on tables, and what the user decides of their reading."""

import pytest

from engine.data.reading.options import Bounds, Reading
from engine.errors import BadData


@pytest.mark.parametrize(
    ("size", "what"), [((11, 2, 3), "10 rows"), ((3, 6, 3), "5 columns"), ((3, 3, 21), "20 cells")]
)
def test_each_bound_is_held_and_named(size: tuple[int, int, int], what: str) -> None:
    bounds = Bounds(max_rows=10, max_columns=5, max_cells=20)
    bounds.check(10, 5, 20)
    with pytest.raises(BadData, match=f"more than {what}"):
        bounds.check(*size)


def test_types_name_columns_that_are_there() -> None:
    reading = Reading(types={"zip": "category", "a/b": "number"})
    reading.check_names(["zip", "a/b", "c"])
    with pytest.raises(BadData) as refused:
        reading.check_names(["zap"])
    assert [problem.pointer for problem in refused.value.problems] == ["/types/zip", "/types/a~1b"]
