"""The derivative of a function, as a function: against `backward()` and against differences of it."""

import pytest

from engine.autograd.derivative import derivative
from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.primitives import PRIMITIVES, Primitive
from engine.autograd.value import Value
from engine.nn.activations import ACTIVATIONS

POINTS = (-1.7, -0.4, 0.3, 1.1, 2.6)


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_of_an_activation_it_is_what_backward_finds(name: str, x: float) -> None:
    function = ACTIVATIONS.get(name)
    assert derivative(function)(Value(x)).data == pytest.approx(
        analytical_gradient(function, [x])[0], rel=1e-14, abs=1e-15
    )


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_twice_it_is_the_slope_of_the_slope(name: str, x: float) -> None:
    slope = derivative(ACTIVATIONS.get(name))
    assert derivative(slope)(Value(x)).data == pytest.approx(
        numerical_gradient(slope, [x])[0], rel=1e-8, abs=1e-9
    )


@pytest.mark.parametrize(
    ("row", "position"),
    [(row, position) for row in PRIMITIVES.values() for position in range(row.arity)],
    ids=lambda each: getattr(each, "name", each),
)
def test_every_primitive_has_second_derivatives(row: Primitive, position: int) -> None:
    low, high = row.sample
    x, other = low + 0.3 * (high - low), low + 0.6 * (high - low)

    def function(v: Value) -> Value:
        operands = [v, Value(other)] if position == 0 else [Value(other), v]
        result: Value = getattr(operands[0], row.name)(*operands[1 : row.arity])
        return result

    slope = derivative(function)
    assert slope(Value(x)).data == pytest.approx(numerical_gradient(function, [x])[0], rel=1e-8, abs=1e-9)
    assert derivative(slope)(Value(x)).data == pytest.approx(
        numerical_gradient(slope, [x])[0], rel=1e-8, abs=1e-9
    )


def test_a_value_used_twice_gives_both_shares() -> None:
    assert derivative(lambda x: x * x * x)(Value(2.0)).data == 12.0
    assert derivative(derivative(derivative(lambda x: x * x * x)))(Value(2.0)).data == 6.0


def test_a_constant_has_no_slope() -> None:
    assert derivative(lambda x: Value(3.0))(Value(1.0)).data == 0.0
    assert derivative(lambda x: x)(Value(1.0)).data == 1.0
