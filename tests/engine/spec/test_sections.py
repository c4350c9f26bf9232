"""The spec itself: its network's sizes, and its document read back."""

import pytest

from engine.data.reading.formats import table_from_rows
from engine.errors import BadSpec
from engine.spec import TrainingSpec, parse_spec
from tests.engine.spec.test_resolve import EXAMPLE, MOONS


def test_the_parameters_are_counted() -> None:
    rows = [[1.0, "a", True, 0], [2.0, "b", True, 1], [3.0, "a", False, 2]]
    profile = table_from_rows(["x", "c", "f", "y"], rows).profile()
    spec = parse_spec({"target": "y", "model": {"hidden_layers": [5]}}, profile)
    assert spec.layer_sizes(profile) == (1 + 2 + 1, 5, 3)
    assert spec.parameter_count(profile) == 5 * 5 + 6 * 3


def test_from_document_gives_back_the_same_spec() -> None:
    spec = parse_spec(EXAMPLE, MOONS)
    assert TrainingSpec.from_document(spec.to_document()) == spec
    with pytest.raises(BadSpec):
        TrainingSpec.from_document(spec.to_document() | {"from_the_future": 1})


def test_columns_may_be_called_whatever_a_file_calls_them() -> None:
    names = ["two\nlines", "price\u00a0(EUR)", "a\u200bb", "c" * 1_000]
    profile = table_from_rows([*names, "y"], [[i, i, i, i, i % 2] for i in range(20)]).profile()
    for document in ({"target": "y"}, {"target": "y", "features": names[1:], "weight_column": names[0]}):
        spec = parse_spec(document, profile)
        assert TrainingSpec.from_document(spec.to_document()) == spec
