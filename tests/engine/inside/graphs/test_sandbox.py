"""Anybody's expression: the seed's lesson, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.errors import BadData
from engine.inside.graphs.sandbox import evaluate


def test_the_seeds_lesson() -> None:
    found = evaluate("(a*b + c).tanh()", {"a": 2.0, "b": -3.0, "c": 10.0})
    slope = 1 - math.tanh(4.0) ** 2
    grads = {node.label: node.grad for node in found.nodes if node.label}
    assert grads == pytest.approx({"a": -3 * slope, "b": 2 * slope, "c": slope, "result": 1.0})
    assert found.nodes[-1].data == math.tanh(4.0)
    assert "tanh" in str(found.dot())


def test_a_way_not_taken_does_no_harm() -> None:
    found = evaluate("where(x > 0, log(x), 0)", {"x": -1.0})
    assert found.nodes[-1].data == 0.0
    assert next(node for node in found.nodes if node.label == "x").grad == 0.0


def test_a_variable_alone_keeps_its_name() -> None:
    assert [(n.label, n.data, n.grad) for n in evaluate("x", {"x": 1}).nodes] == [("x", 1.0, 1.0)]


@pytest.mark.parametrize(
    ("expression", "values", "pointer", "code"),
    [
        ("a +", {"a": 1}, "/expression", "bad_expression"),
        ("__import__('os')", {}, "/expression", "bad_expression"),
        ("a.__class__", {"a": 1}, "/expression", "bad_expression"),
        ("[a for a in a]", {"a": 1}, "/expression", "bad_expression"),
        ("lambda: 1", {}, "/expression", "bad_expression"),
        ("b", {"a": 1}, "/expression", "bad_expression"),
        ("a ** 99999", {"a": 1}, "/expression", "bad_expression"),
        ("+".join(["a"] * 400), {"a": 1}, "/expression", "bad_expression"),
        ("(" * 60 + "a" + ")" * 60 + "*a" * 60, {"a": 1}, "/expression", "bad_expression"),
        ("a" * 2_000, {"a": 1}, "/expression", "bad_expression"),
        ("", {}, "/expression", "bad_expression"),
        ("exp(a)", {"a": 1000}, "/expression", "not_finite"),
        ("a / b", {"a": 1, "b": 0}, "/expression", "not_finite"),
        ("log(a)", {"a": -1}, "/expression", "not_finite"),
        ("a", {"a": True}, "/values/a", "wrong_type"),
        ("a", {"a": "1"}, "/values/a", "wrong_type"),
        ("a", {"a": math.nan}, "/values/a", "wrong_type"),
        ("a", {"a": 10**400}, "/values/a", "wrong_type"),
        ("a", {"a": 1, "b c": 1}, "/values/b c", "bad_name"),
        ("a", {"a": 1, "b/c": 1}, "/values/b~1c", "bad_name"),
        ("v1", {f"v{i}": 1 for i in range(101)}, "/values", "out_of_range"),
    ],
)
def test_what_is_not_in_the_language_is_refused(
    expression: str, values: dict[str, Any], pointer: str, code: str
) -> None:
    with pytest.raises(BadData) as refused:
        evaluate(expression, values)
    problem = refused.value.problems[0]
    assert (problem.pointer, problem.code) == (pointer, code)


def test_a_misspelt_name_is_recognised() -> None:
    with pytest.raises(BadData) as refused:
        evaluate("weigth * 2", {"weight": 1})
    assert 'did you mean "weight"?' in refused.value.problems[0].hint
