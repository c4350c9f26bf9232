"""Instances: every wrong cell named by its pointer."""

import math
from typing import Any

import pytest

from engine.data.fitting.preprocessing import Input
from engine.errors import BadData, Problem
from engine.models.instances import encode_instances, instance_from_text

INPUTS = (
    Input("x1", "number", offset=1.0, scale=2.0, fill=3.0),
    Input("kind", "category", ("cat", "dog"), fill=1.0),
    Input("flag", "boolean", fill=0.0),
)
NUMBERS = (Input("x1", "number"), Input("x2", "number"))
GOOD: dict[str, Any] = {"x1": 5, "kind": "cat", "flag": True}


def problems(instances: Any, inputs: tuple[Input, ...] = INPUTS) -> list[Problem]:
    with pytest.raises(BadData) as refusal:
        encode_instances(inputs, instances)
    return list(refusal.value.problems)


def test_good_rows_are_encoded() -> None:
    made = encode_instances(INPUTS, [GOOD, [-1, "dog", False], {"flag": None, "kind": None, "x1": None}])
    assert made.tolist() == [[2.0, 1.0, 0.0, 1.0], [-1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    assert encode_instances(NUMBERS, [[1, 2.5]]).tolist() == [[1.0, 2.5]]
    assert encode_instances(NUMBERS, []).shape == (0, 2)


@pytest.mark.parametrize(
    ("instance", "pointer", "code"),
    [
        ({"x1": 5, "kind": "cat"}, "/instances/1/flag", "missing_field"),
        (GOOD | {"x2": 1}, "/instances/1/x2", "unknown_field"),
        (GOOD | {"a/b": 1}, "/instances/1/a~1b", "unknown_field"),
        (GOOD | {"x1": "5"}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"x1": True}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"x1": [1]}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"x1": math.nan}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"x1": math.inf}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"x1": 10**400}, "/instances/1/x1", "wrong_type"),
        (GOOD | {"kind": 1}, "/instances/1/kind", "wrong_type"),
        (GOOD | {"kind": "cow"}, "/instances/1/kind", "unknown_category"),
        (GOOD | {"flag": 1}, "/instances/1/flag", "wrong_type"),
        (GOOD | {"flag": "true"}, "/instances/1/flag", "wrong_type"),
        ([5, "cat"], "/instances/1", "wrong_count"),
        ([5, "cat", True, 1], "/instances/1", "wrong_count"),
        ([5, "cow", True], "/instances/1/1", "unknown_category"),
        ("x1", "/instances/1", "wrong_type"),
        (None, "/instances/1", "wrong_type"),
        (5, "/instances/1", "wrong_type"),
    ],
)
def test_a_wrong_cell_is_named(instance: Any, pointer: str, code: str) -> None:
    assert [(p.pointer, p.code) for p in problems([GOOD, instance])] == [(pointer, code)]


@pytest.mark.parametrize("cell", [math.nan, math.inf, -math.inf, 10**400, "1", True, [1], {}])
def test_numbers_alone_are_checked_as_strictly(cell: Any) -> None:
    assert [p.pointer for p in problems([[1, 2], [1, cell]], NUMBERS)] == ["/instances/1/1"]
    assert [p.code for p in problems([[1, 2], [1, None]], NUMBERS)] == ["missing_values"]


def test_a_misspelt_input_gets_a_hint() -> None:
    found = problems([{"x1": 5, "kid": "cat", "flag": True}])
    assert {(p.pointer, p.code) for p in found} == {
        ("/instances/0/kid", "unknown_field"),
        ("/instances/0/kind", "missing_field"),
    }
    assert 'did you mean "kind"?' in {p.hint for p in found}
    assert problems([GOOD | {"kind": "dgo"}])[0].hint == 'did you mean "dog"?'


def test_all_problems_are_told_up_to_twenty() -> None:
    assert len(problems([GOOD | {"x1": "a", "kind": 1, "flag": 2}])) == 3
    assert len(problems([GOOD | {"x1": "a"}] * 100)) == 20


def test_texts_are_read_by_the_inputs_type() -> None:
    assert instance_from_text(INPUTS, {"x1": "1e-3", "kind": "dog", "flag": "true"}) == {
        "x1": 0.001,
        "kind": "dog",
        "flag": True,
    }


@pytest.mark.parametrize(
    ("values", "pointer", "code"),
    [
        ({"x1": "one"}, "/x1", "wrong_type"),
        ({"x1": "nan"}, "/x1", "wrong_type"),
        ({"x1": "inf"}, "/x1", "wrong_type"),
        ({"x1": "1_000"}, "/x1", "wrong_type"),
        ({"x1": ""}, "/x1", "wrong_type"),
        ({"flag": "1"}, "/flag", "wrong_type"),
        ({"flag": "True"}, "/flag", "wrong_type"),
        ({"kind": "cow"}, "/kind", "unknown_category"),
        ({"kimd": "cat"}, "/kimd", "unknown_field"),
    ],
)
def test_a_wrong_text_is_named_once(values: dict[str, str], pointer: str, code: str) -> None:
    with pytest.raises(BadData) as refusal:
        instance_from_text(INPUTS, {"x1": "5", "kind": "cat", "flag": "true"} | values)
    assert [(p.pointer, p.code) for p in refusal.value.problems] == [(pointer, code)]
    assert values.keys() <= {p.pointer[1:] for p in refusal.value.problems}


def test_a_missing_text_is_named() -> None:
    with pytest.raises(BadData) as refusal:
        instance_from_text(INPUTS, {"x1": "5"})
    assert {p.pointer for p in refusal.value.problems} == {"/kind", "/flag"}
