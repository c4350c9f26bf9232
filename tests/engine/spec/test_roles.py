"""Who says the split and who says the weights: accepted where clear, refused where not."""

from typing import Any

import pytest

from engine.data.reading.formats import table_from_records
from engine.data.table import Table
from engine.errors import BadSpec
from engine.spec import TrainingSpec, parse_spec
from engine.spec.roles import validation_problems

WORDS = ["train", "Training", "val", "test"]


def table(**changed: Any) -> Table:
    rows = [
        {"x": i, "y": i % 2, "part": WORDS[i % 4], "held": i % 3 == 0, "w": i / 2, "odd": "maybe", "neg": -i}
        for i in range(24)
    ]
    return table_from_records([row | changed for row in rows])


def spec(**document: Any) -> TrainingSpec:
    return parse_spec({"target": "y", **document}, table().profile())


def problems(**document: Any) -> list[tuple[str, str]]:
    with pytest.raises(BadSpec) as refused:
        spec(**document)
    return [(problem.pointer, problem.code) for problem in refused.value.problems]


def test_columns_with_another_part_are_no_features_by_default() -> None:
    found = spec(split={"column": "part"}, weight_column="w")
    assert found.features == ("x", "held", "odd", "neg")
    assert found.split.validation == 0.0
    assert found.training.early_stopping is not None


@pytest.mark.parametrize(
    "split", [{"column": "held"}, {"column": "part"}, {"dataset_id": "ds_2"}, {"folds": 3}, {}]
)
def test_rows_are_held_back_to_stop_by(split: dict[str, Any]) -> None:
    found = spec(split=split)
    assert found.training.early_stopping is not None
    assert (found.split.validation > 0.0) == (not split)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"split": {"column": "prt"}}, ("/split/column", "unknown_column")),
        ({"split": {"column": "odd"}}, ("/split/column", "unknown_name")),
        ({"split": {"column": "w"}}, ("/split/column", "wrong_type")),
        ({"split": {"column": "y"}}, ("/split/column", "wrong_type")),
        ({"split": {"column": "part", "folds": 3}}, ("/split", "ambiguous_source")),
        ({"split": {"validation": 0.2, "folds": 3}}, ("/split", "ambiguous_source")),
        ({"split": {"folds": 1}}, ("/split/folds", "out_of_range")),
        ({"weight_column": "part"}, ("/weight_column", "wrong_type")),
        ({"weight_column": "neg"}, ("/weight_column", "out_of_range")),
        ({"weight_column": "y"}, ("/weight_column", "duplicate_name")),
        ({"weight_column": "w", "features": ["x", "w"]}, ("/weight_column", "duplicate_name")),
        ({"split": {"column": "part"}, "features": ["part"]}, ("/split/column", "duplicate_name")),
    ],
)
def test_unclear_parts_are_refused_by_their_pointer(
    document: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in problems(**document)


def test_more_folds_than_rows_are_refused() -> None:
    few = table().take(table().column("x").values[:6].astype(int))
    with pytest.raises(BadSpec, match="folds must be at most the 6 rows"):
        parse_spec({"target": "y", "split": {"folds": 7}}, few.profile())


def test_a_second_dataset_needs_the_first_ones_columns() -> None:
    trained = spec(features=["x", "held"], split={"dataset_id": "ds_2"})
    assert validation_problems(trained, table().profile()) == []
    other = table_from_records([{"x": 1, "y": None}, {"x": 2, "y": 1}])
    found = validation_problems(trained, other.profile())
    assert [problem.code for problem in found] == ["unknown_column", "missing_values"]
    assert found[0].pointer == "/split/dataset_id"
