"""Every row of the table: its value, its slope and its edges, as Value and as NumPy have them."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.primitives import BY_SYMBOL, PRIMITIVES, Primitive
from engine.autograd.value import Value
from engine.autograd.vectorized import Vectorized

Array = NDArray[np.float64]
INF, NAN = math.inf, math.nan

# The same functions by other hands: NumPy and SciPy.
ORACLES: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.float_power,
    "negate": np.negative,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0.0),
    "sigmoid": special.expit,
    "softplus": lambda a: np.logaddexp(0.0, a),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "erf": special.erf,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "gate": lambda a, b: np.where(a != 0.0, b, 0.0),
    "unless": lambda a, b: np.where(a != 0.0, 0.0, b),
    "logaddexp": np.logaddexp,
}
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    3.0,
    1e-300,
    -1e-300,
    40.0,
    1000.0,
    -1000.0,
    1e300,
    -1e300,
    INF,
    -INF,
    NAN,
]
ROWS = list(PRIMITIVES.values())
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def function_of(row: Primitive) -> Callable[..., Value]:
    function: Callable[..., Value] = getattr(Value, row.name)
    return function


def points_for(row: Primitive) -> list[tuple[float, ...]]:
    """Points inside the row's domain, off its kinks and ties."""
    low, high = row.sample
    shares = (0.07, 0.31, 0.56, 0.78, 0.93)
    line = [low + share * (high - low) for share in shares]
    if row.arity == 1:
        return [(a,) for a in line]
    return [(a, b) for a, b in itertools.product(line, line) if abs(a - b) > 0.01]


def grid_for(row: Primitive) -> list[tuple[float, ...]]:
    return list(itertools.product(EDGES, repeat=row.arity))


def test_every_row_has_an_independent_judge() -> None:
    assert set(ORACLES) == set(PRIMITIVES)
    assert len(BY_SYMBOL) == len(PRIMITIVES)


@each_row
def test_the_slopes_are_those_of_the_definition(row: Primitive) -> None:
    for point in points_for(row):
        expected = numerical_gradient(function_of(row), point)
        assert analytical_gradient(function_of(row), point) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@each_row
def test_the_values_are_numpys_at_every_edge_and_nothing_raises(row: Primitive) -> None:
    for point in grid_for(row):
        with np.errstate(all="ignore"):
            expected = float(ORACLES[row.name](*map(np.float64, point)))
        made = function_of(row)(*map(Value, point)).data
        assert type(made) is float
        assert made == pytest.approx(expected, rel=1e-15, abs=1e-300, nan_ok=True), point


@each_row
def test_both_interpreters_agree_in_value_and_slope_at_every_edge(row: Primitive) -> None:
    grid = grid_for(row) + points_for(row)
    evaluation = Vectorized(function_of(row), row.arity)(*np.array(grid).T)
    slopes = evaluation.gradients(1.0)
    for i, point in enumerate(grid):
        leaves = [Value(x) for x in point]
        result = function_of(row)(*leaves)
        result.backward()
        np.testing.assert_array_max_ulp(np.float64(result.data), evaluation.value[i], maxulp=2)
        for leaf, slope in zip(leaves, slopes, strict=True):
            assert leaf.grad == pytest.approx(slope[i], rel=2e-15, abs=1e-300, nan_ok=True), point


@each_row
def test_an_operand_that_is_not_a_number_is_hidden_only_by_choices(row: Primitive) -> None:
    if row.name in ("greater", "greater_equal", "gate", "unless"):
        assert not math.isnan(function_of(row)(Value(1.0), Value(NAN)).data) or row.name == "gate"
        return
    for where in range(row.arity):
        point = [2.0] * row.arity
        point[where] = NAN
        assert math.isnan(function_of(row)(*map(Value, point)).data)


def slope_of(function: Callable[[Value], Value], x: float) -> float:
    return analytical_gradient(function, (x,))[0]


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_relu_and_abs_have_slope_0_at_0(zero: float) -> None:
    assert slope_of(Value.relu, zero) == 0.0
    assert slope_of(Value.abs, zero) == 0.0


def test_exp_overflows_to_infinity() -> None:
    assert Value(1000.0).exp().data == INF
    assert Value(1000.0).expm1().data == INF
    assert Value(-1000.0).exp().data == 0.0
    assert Value(-1000.0).expm1().data == -1.0


def test_logarithms_and_roots_outside_their_domain() -> None:
    assert Value(0.0).log().data == -INF
    assert Value(-0.0).log().data == -INF
    assert math.isnan(Value(-1e-300).log().data)
    assert math.isnan(Value(-1.0).sqrt().data)
    assert Value(0.0).sqrt().data == 0.0


@pytest.mark.parametrize(
    ("a", "b", "quotient"),
    [(1.0, 0.0, INF), (-1.0, 0.0, -INF), (1.0, -0.0, -INF), (-1.0, -0.0, INF), (INF, 0.0, INF)],
)
def test_division_by_zero_gives_a_signed_infinity(a: float, b: float, quotient: float) -> None:
    assert (Value(a) / Value(b)).data == quotient
    assert math.isnan((Value(0.0) / Value(b)).data)


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (0.0, -1.0, INF),
        (-0.0, -1.0, -INF),
        (-0.0, -2.0, INF),
        (0.0, 0.0, 1.0),
        (-8.0, 3.0, -512.0),
        (-1e200, 3.0, -INF),
        (-1e200, 2.0, INF),
        (-1e-200, -3.0, -INF),
        (1e200, 2.0, INF),
    ],
)
def test_powers_at_their_edges_are_those_of_c(a: float, b: float, result: float) -> None:
    assert Value(a).power(Value(b)).data == result
    with np.errstate(all="ignore"):
        assert np.float_power(a, b) == result


def test_a_negative_base_with_a_broken_exponent_is_not_a_number() -> None:
    assert math.isnan(Value(-8.0).power(1.0 / 3.0).data)


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("tanh", 1000.0, 1.0, 0.0),
        ("tanh", -1000.0, -1.0, 0.0),
        ("sigmoid", 1000.0, 1.0, 0.0),
        ("sigmoid", -1000.0, 0.0, 0.0),
        ("softplus", 1000.0, 1000.0, 1.0),
        ("softplus", -1000.0, 0.0, 0.0),
        ("erf", 1000.0, 1.0, 0.0),
        ("erf", -1000.0, -1.0, 0.0),
    ],
)
def test_saturating_functions_are_exact_at_a_thousand(
    name: str, x: float, value: float, slope: float
) -> None:
    function = getattr(Value, name)
    assert function(Value(x)).data == value
    assert slope_of(function, x) == slope


def test_ties_of_maximum_and_minimum_go_to_the_first() -> None:
    assert analytical_gradient(Value.maximum, (1.0, 1.0)) == [1.0, 0.0]
    assert analytical_gradient(Value.minimum, (1.0, 1.0)) == [1.0, 0.0]


def test_choices_pass_one_operand_and_hide_the_other() -> None:
    assert Value(0.0).gate(Value(NAN)).data == 0.0
    assert Value(1.0).unless(Value(NAN)).data == 0.0
    assert Value(1.0).gate(Value(7.0)).data == Value(0.0).unless(Value(7.0)).data == 7.0


@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_logaddexp_neither_overflows_nor_loses_the_slopes_sum(shift: float) -> None:
    slopes = analytical_gradient(Value.logaddexp, (shift + 0.3, shift - 1.1))
    assert slopes == pytest.approx(special.softmax([0.3, -1.1]), rel=1e-10)
