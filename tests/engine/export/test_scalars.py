"""Scalar functions written in other languages: Python's own reading of the text judges."""

from __future__ import annotations

import math

import pytest

from engine.autograd.value import Value
from engine.export.scalars import Source, activation_lines
from engine.nn.activations import ACTIVATIONS

WORDS = {
    "abs": "abs({0})",
    "divide": "({0} / {1})",
    "erf": "math.erf({0})",
    "exp": "math.exp({0})",
    "expm1": "math.expm1({0})",
    "log1p": "math.log1p({0})",
    "tanh": "math.tanh({0})",
}


@pytest.mark.parametrize("name", ACTIVATIONS.names())
@pytest.mark.parametrize("x", [-30.0, -1.5, -0.0, 0.0, 1e-9, 0.75, 30.0])
def test_what_is_written_computes_the_activation(name: str, x: float) -> None:
    source = Source(WORDS, choice="({1} if {0} else {2})", either="({0} or {1})", assign="{} = {}".format)
    lines, result = activation_lines(name, source)
    names = {"x": x, "math": math}
    exec("\n".join(lines), names)
    assert eval(result, names) == ACTIVATIONS.get(name)(Value(x)).data


def test_a_language_without_variables_gets_one_expression() -> None:
    lines, result = activation_lines("silu", Source(WORDS), x="z")
    assert lines == []
    assert result == "(z * (1.0 / (1.0 + math.exp((-z)))))"
