"""The first lesson, for anybody's expression: build it, go forward, go backward, look at every node."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from engine.autograd.expression import MAX_LENGTH, BadExpression, parse_expression
from engine.autograd.value import Value
from engine.errors import BadData, Problem, escaped
from engine.inside.graphs.nodes import Graph, scalar_nodes
from engine.spec.rules import shown

MOST_VARIABLES = 100
MOST_CHARACTERS = MAX_LENGTH

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def evaluate(expression: str, values: Mapping[str, float]) -> Graph:
    """The graph of an expression of named numbers, after `backward()`; raises BadData.

    >>> [(n.label, n.data, n.grad) for n in evaluate("a*b + c", {"a": 2, "b": -3, "c": 10}).nodes if n.label]
    [('a', 2.0, -3.0), ('b', -3.0, 2.0), ('c', 10.0, 1.0), ('result', 4.0, 1.0)]
    """
    problems = [*_bad_names(values), *_bad_numbers(values)]
    if problems:
        raise BadData(problems)
    try:
        parsed = parse_expression(expression, tuple(values))
    except BadExpression as error:
        raise BadData.because(
            str(error), pointer="/expression", code="bad_expression", hint=error.hint
        ) from None
    root = parsed(*(Value(float(number), label=name) for name, number in values.items()))
    _require_finite(root)
    root.backward()
    root.label = root.label or "result"
    return Graph("scalar", 0, scalar_nodes(root), root)


def _bad_names(values: Mapping[str, float]) -> list[Problem]:
    if len(values) > MOST_VARIABLES:
        detail = f"values may name at most {MOST_VARIABLES} variables, got {len(values)}"
        return [Problem("/values", "out_of_range", detail)]
    hint = "A name is a letter and then letters, digits or _, at most 40 characters."
    return [
        Problem(f"/values/{escaped(name)}", "bad_name", f"{shown(name)} cannot be a variable's name", hint)
        for name in values
        if not _NAME.fullmatch(name)
    ]


def _bad_numbers(values: Mapping[str, float]) -> list[Problem]:
    return [
        Problem(
            f"/values/{escaped(name)}", "wrong_type", f"{name} must be a finite number, got {shown(number)}"
        )
        for name, number in values.items()
        if not _is_number(number)
    ]


def _is_number(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer of 400 digits
        return False


def _require_finite(root: Value) -> None:
    if not math.isfinite(root.data):
        raise BadData.because(
            f"the expression's value is {root.data}, not a finite number",
            pointer="/expression",
            code="not_finite",
            hint="choose smaller values, and none that divides by 0 or takes the log of what is not positive",
        )
