"""From spec and table to numbers: which rows, which weights, what validates."""

from typing import Any

import numpy as np
import pytest

from engine.data.reading.formats import table_from_records
from engine.data.table import Table
from engine.errors import BadData
from engine.spec import parse_spec
from engine.training.preparation import Preparation, prepare

TABLE = table_from_records(
    [
        {"x": float(i), "colour": "red" if i % 3 else "blue", "w": float(i % 4), "part": "train", "y": i % 2}
        for i in range(20)
    ]
)


def prepared(table: Table = TABLE, other: Table | None = None, **document: Any) -> Preparation:
    features = {"features": ["x", "colour"], "preprocessing": {"scale": "none"}}
    spec = parse_spec({"target": "y", **features, **document}, table.profile())
    return prepare(spec, table, other)


def test_a_weight_column_weighs_the_training_rows_with_mean_one() -> None:
    plan = prepared(weight_column="w", split={"validation": 0.2}).plan
    given = plan.train.x[:, 0] % 4
    assert plan.train.weights is not None
    assert plan.train.weights == pytest.approx(given / given.mean())
    assert plan.validation is not None
    assert plan.validation.weights is None


def test_row_weights_multiply_class_weights() -> None:
    plan = prepared(weight_column="w", class_weight={"1": 3.0}, split={"validation": 0}).plan
    product = (plan.train.x[:, 0] % 4) * np.where(plan.train.labels == 1, 3.0, 1.0)
    assert plan.train.weights == pytest.approx(product / product.mean())


def test_weights_of_nothing_but_zero_are_refused() -> None:
    rows = table_from_records([{"x": i, "y": i % 2, "w": float(i == 0), "part": i == 0} for i in range(9)])
    with pytest.raises(BadData, match="every training row has the weight 0"):
        prepared(rows, features=["x"], weight_column="w", split={"column": "part"})


def test_a_second_dataset_validates_with_the_first_ones_numbers() -> None:
    other = table_from_records([{"colour": "red", "y": 1, "x": 100.0}, {"colour": "blue", "y": 0, "x": 0.0}])
    document = {"preprocessing": {"scale": "minmax"}, "split": {"dataset_id": "ds_2"}}
    plan = prepared(TABLE, other, **document).plan
    assert plan.validation is not None
    assert plan.validation.x.tolist() == [[100.0 / 19.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    assert plan.validation.labels.tolist() == [1.0, 0.0]
    assert len(plan.train) == 20


def test_rows_named_test_take_no_part() -> None:
    rows = table_from_records(
        [{"x": float(i), "y": i % 2, "part": ("train", "validation", "test")[i % 3]} for i in range(12)]
    )
    plan = prepared(rows, features=["x"], split={"column": "part"}).plan
    assert plan.train.x[:, 0].tolist() == [0.0, 3.0, 6.0, 9.0]
    assert plan.validation is not None
    assert plan.validation.x[:, 0].tolist() == [1.0, 4.0, 7.0, 10.0]
