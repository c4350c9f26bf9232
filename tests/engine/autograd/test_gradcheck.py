"""The judge of derivatives, judged by derivatives that are known."""

import math

import pytest

from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.value import Value


def test_central_differences_come_close_to_a_known_derivative() -> None:
    gradient = numerical_gradient(lambda a, b: a.exp() * b**3, (0.7, 1.3))
    assert gradient == pytest.approx([math.exp(0.7) * 1.3**3, math.exp(0.7) * 3 * 1.3**2], rel=1e-10)


def test_a_cubic_is_exact_up_to_rounding() -> None:
    assert numerical_gradient(lambda a: a**3, (2.0,), step=0.5) == pytest.approx([12.0], rel=1e-14)


def test_a_wrong_derivative_is_seen() -> None:
    def wrong(a: Value) -> Value:
        return a * Value(a.data)  # a² whose second factor was cut off from the graph

    assert analytical_gradient(wrong, (1.5,)) == [1.5]
    assert numerical_gradient(wrong, (1.5,)) == pytest.approx([3.0], rel=1e-10)
