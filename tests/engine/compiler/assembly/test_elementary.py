"""Elementary functions against longer arithmetic, and at their edges against the table's own."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from engine.autograd.primitives import SCALAR_FUNCTIONS
from engine.compiler.assembly import elementary
from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from tests.engine.compiler.machine import on_vectors, units_in_the_last_place

DRAWS = np.random.default_rng(1)
EVERYWHERE = [
    DRAWS.uniform(-3, 3, 20_000),
    DRAWS.uniform(-600, 600, 20_000),
    10.0 ** DRAWS.uniform(-280, 0, 20_000),
]
POSITIVE = [DRAWS.uniform(0, 3, 20_000), 10.0 ** DRAWS.uniform(-300, 300, 20_000)]
NEGATIVE = [
    -x for x in (DRAWS.uniform(0, 3, 20_000), DRAWS.uniform(0, 700, 20_000), POSITIVE[1][POSITIVE[1] < 700])
]
UNIT = [DRAWS.uniform(-1, 1, 20_000), DRAWS.uniform(0, 1, 20_000), 10.0 ** DRAWS.uniform(-280, 0, 20_000)]

FUNCTIONS: list[tuple[str, list[Any], Callable[..., Any], float]] = [
    ("exp", EVERYWHERE, np.exp, 3.0),
    ("exp_of_negative", NEGATIVE, np.exp, 3.0),
    ("expm1", EVERYWHERE, np.expm1, 3.0),
    ("tanh", EVERYWHERE, np.tanh, 3.5),
    ("log", POSITIVE, np.log, 3.0),
    ("log1p", [*UNIT, POSITIVE[1]], np.log1p, 3.0),
]


@pytest.mark.parametrize(
    ("name", "intervals", "judge", "bound"), FUNCTIONS, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_function_is_right_to_a_few_units_in_the_last_place(
    name: str, intervals: list[Any], judge: Callable[..., Any], bound: float
) -> None:
    emit = getattr(elementary, name)
    for x in intervals:
        got = on_vectors(lambda code, a: [emit(code, a)], x)[0]
        error = units_in_the_last_place(got, judge(x.astype(np.longdouble)))
        assert error.max() <= bound


@pytest.mark.parametrize("real", [DOUBLE, FLOAT])
def test_tanh_is_odd_and_never_beyond_1(real: Real) -> None:
    dtype: Any = np.float32 if real is FLOAT else np.float64
    x = np.concatenate([DRAWS.uniform(0, 30, 20_000), 10.0 ** DRAWS.uniform(-30, 30, 20_000)]).astype(dtype)
    above, below = (on_vectors(lambda code, a: [elementary.tanh(code, a)], y, real=real)[0] for y in (x, -x))
    assert (above == -below).all()
    assert ((above > 0) & (above <= 1)).all()
    assert (above[x >= 20] == 1).all()
    zeros = on_vectors(lambda code, a: [elementary.tanh(code, a)], np.array([0.0, -0.0], dtype), real=real)[0]
    assert np.signbit(zeros).tolist() == [False, True]


def test_erf_is_right_to_the_last_places_of_1() -> None:
    x = np.concatenate([DRAWS.uniform(-7, 7, 50_000), DRAWS.uniform(-1, 1, 20_000)])
    got = on_vectors(lambda code, a: [elementary.erf(code, a)], x)[0]
    assert np.abs(got - special.erf(x)).max() <= 4.5e-16
    small = 10.0 ** DRAWS.uniform(-300, -1, 10_000)
    got = on_vectors(lambda code, a: [elementary.erf(code, a)], small)[0]
    assert (np.abs(got - special.erf(small)) <= 4 * np.spacing(small)).all()


def test_powers_are_right_as_far_as_the_exponent_lets_them() -> None:
    a, b = 10.0 ** DRAWS.uniform(-3, 3, 20_000), DRAWS.uniform(-20, 20, 20_000)
    got = on_vectors(lambda code, x, y: [elementary.power(code, x, y)], a, b)[0]
    assert np.abs(got / a**b - 1.0).max() <= 1e-13


EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.0,
    3.0,
    1e-300,
    800.0,
    -800.0,
    709.7,
    -745.0,
    math.inf,
    -math.inf,
    math.nan,
]


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh", "log", "log1p", "erf"])
def test_edges_are_those_of_the_table(name: str) -> None:
    emit = getattr(elementary, name)
    got = on_vectors(lambda code, a: [emit(code, a)], np.array(EDGES))[0]
    wanted = np.array([SCALAR_FUNCTIONS[name](x) for x in EDGES])
    np.testing.assert_allclose(got, wanted, rtol=1e-15, atol=1e-300)


def test_the_edges_of_powers_are_those_of_the_table() -> None:
    pairs = [
        (a, b) for a in EDGES for b in (0.0, 1.0, -1.0, 2.0, 3.0, 0.5, -2.5, math.inf, -math.inf, math.nan)
    ]
    a, b = np.array(pairs).T
    got = on_vectors(lambda code, x, y: [elementary.power(code, x, y)], a, b)[0]
    wanted = np.array([SCALAR_FUNCTIONS["power"](x, y) for x, y in pairs])
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("real", [DOUBLE, FLOAT])
def test_quick_roots_are_right_to_a_few_units_in_the_last_place(real: Real) -> None:
    span = 200 if real is DOUBLE else 25
    dtype: Any = np.float32 if real is FLOAT else np.float64
    ends = [np.finfo(dtype).tiny * 4, np.finfo(dtype).max]
    a = [DRAWS.uniform(1, 4, 20_000), 10.0 ** DRAWS.uniform(-span / 2, span / 2, 20_000), ends]
    x = np.concatenate([*a, [0.0, math.nan]]).astype(dtype)
    root = on_vectors(lambda code, a: [code.times(*elementary.root_factors(code, a))], x, real=real)[0]
    assert units_in_the_last_place(root[:-2], np.sqrt(x[:-2].astype(np.longdouble))).max() <= 3.0
    assert root[-2] == 0.0
    assert np.isnan(root[-1])


@pytest.mark.parametrize("name", ["exp", "tanh", "log", "erf", "expm1", "log1p"])
def test_float32_functions_are_right_to_a_few_units(name: str) -> None:
    x = DRAWS.uniform(0.01, 20, 20_000).astype(np.float32)
    got = on_vectors(lambda code, a: [getattr(elementary, name)(code, a)], x, real=FLOAT)[0]
    exact = special.erf(x.astype(np.float64)) if name == "erf" else getattr(np, name)(x.astype(np.float64))
    assert units_in_the_last_place(got, exact).max() <= 5.0
