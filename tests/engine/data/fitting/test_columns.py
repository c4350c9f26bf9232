"""A second table is read as the first was, and refused where it cannot be."""

from typing import Any

import numpy as np
import pytest

from engine.data.fitting.columns import checked_table
from engine.data.fitting.preprocessing import Encoding, fit_encoding
from engine.data.reading.formats import table_from_records
from engine.errors import BadData

OPTIONS: dict[str, Any] = {
    "scale": "none",
    "missing": "error",
    "missing_indicator": False,
    "unknown_category": "error",
    "min_category_rows": 1,
    "scale_target": True,
}
ROWS: list[dict[str, Any]] = [
    {"x": float(i), "colour": ("red", "green", "blue")[i % 3], "y": "ab"[i % 2]} for i in range(12)
]


def encoding(**options: Any) -> Encoding:
    table = table_from_records(ROWS)
    return fit_encoding(table, np.arange(12), ("x", "colour"), "y", OPTIONS | options, regression=False)


def codes(rows: list[dict[str, Any]], **options: Any) -> list[str]:
    with pytest.raises(BadData) as refused:
        checked_table(encoding(**options), table_from_records(rows))
    return [problem.code for problem in refused.value.problems]


def test_categories_are_matched_by_their_text_not_their_place() -> None:
    fitted, some = encoding(), [ROWS[1], ROWS[3]]
    other = checked_table(fitted, table_from_records(some))
    assert fitted.encode(other).tolist() == [[1.0, 0.0, 1.0, 0.0], [3.0, 0.0, 0.0, 1.0]]
    assert fitted.encode_target(other).tolist() == [1.0, 1.0]


def test_columns_may_stand_in_another_order_among_others() -> None:
    rows = [{"more": 1, **dict(reversed(row.items()))} for row in ROWS]
    fitted = encoding()
    same = fitted.encode(checked_table(fitted, table_from_records(rows)))
    assert (same == fitted.encode(table_from_records(ROWS))).all()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"colour": "red", "y": "a"}, "unknown_column"),
        ({"x": 1, "y": "a", "color": "red"}, "unknown_column"),
        ({"x": 1, "colour": "red"}, "unknown_column"),
        ({"x": "one", "colour": "red", "y": "a"}, "wrong_type"),
        ({"x": 1, "colour": "pink", "y": "a"}, "unknown_category"),
        ({"x": None, "colour": "red", "y": "a"}, "missing_values"),
        ({"x": 1, "colour": None, "y": "a"}, "missing_values"),
        ({"x": 1, "colour": "red", "y": None}, "missing_values"),
        ({"x": 1, "colour": "red", "y": "c"}, "unknown_class"),
    ],
)
def test_what_does_not_fit_is_named(row: dict[str, Any], code: str) -> None:
    assert code in codes([row])


def test_an_unknown_category_may_be_ignored() -> None:
    fitted = encoding(unknown_category="ignore")
    rows = [{"x": 1, "colour": "pink", "y": "a"}, {"x": 2, "colour": None, "y": "a"}]
    assert fitted.encode(checked_table(fitted, table_from_records(rows)))[:, 1:].tolist() == [[0.0] * 3] * 2


def test_an_empty_column_is_filled_like_a_gap() -> None:
    fitted = encoding(missing="most_frequent")
    other = checked_table(fitted, table_from_records([{"x": None, "colour": None, "y": "a"}]))
    assert fitted.encode(other).tolist() == [[0.0, 1.0, 0.0, 0.0]]
