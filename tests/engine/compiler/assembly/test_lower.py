"""Every primitive, activation and loss in vector code: values and slopes as the Values have them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.autograd.expression import parse_loss
from engine.autograd.primitives import PRIMITIVES, Primitive
from engine.autograd.value import Value
from engine.compiler.assembly.lower import Trace, lowered
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from tests.engine.compiler.machine import on_vectors

DRAWS = np.random.default_rng(3)
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -3.0,
    0.5,
    30.0,
    -40.0,
    1e-9,
    -1e-9,
    700.0,
    -700.0,
    math.inf,
    -math.inf,
    math.nan,
]


def judged(function: Callable[..., Value], *columns: np.ndarray[Any, Any]) -> list[list[float]]:
    """Value and slopes of each row, by Values."""
    rows = []
    for row in zip(*columns, strict=True):
        leaves = [Value(float(x)) for x in row]
        result = function(*leaves)
        result.backward()
        rows.append([result.data, *(leaf.grad for leaf in leaves)])
    columns_of: list[list[float]] = np.array(rows).T.tolist()
    return columns_of


def compiled(function: Callable[..., Value], *columns: np.ndarray[Any, Any]) -> list[Any]:
    trace = Trace(function, len(columns))

    def emit(code: Any, *registers: str) -> list[str]:
        values = lowered(code, trace, registers)
        slopes = values.slopes(trace.root, 1.0, trace.leaves)
        return [values.vector(trace.root), *(s if isinstance(s, str) else code.constant(s) for s in slopes)]

    return on_vectors(emit, *columns)


def assert_agree(
    function: Callable[..., Value], *columns: np.ndarray[Any, Any], atol: float = 1e-300
) -> None:
    for got, wanted in zip(compiled(function, *columns), judged(function, *columns), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=atol)


@pytest.mark.parametrize("row", PRIMITIVES.values(), ids=lambda row: row.name)
def test_a_primitive_has_its_values_slopes_and_edges(row: Primitive) -> None:
    low, high = row.sample
    columns = [DRAWS.uniform(low, high, 500) for _ in range(row.arity)]
    if row.arity == 2:
        first, second = np.meshgrid(SPECIAL, SPECIAL)
        columns = [np.append(columns[0], first), np.append(columns[1], second)]
    else:
        columns = [np.append(columns[0], SPECIAL)]
    assert_agree(getattr(Value, row.name), *columns)


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_an_activation_has_its_values_and_slopes(name: str) -> None:
    assert_agree(ACTIVATIONS.get(name), DRAWS.uniform(-6, 6, 2_000), atol=1e-15)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES if not loss.rowwise])
def test_a_loss_has_its_values_and_slopes(name: str) -> None:
    scores, targets = DRAWS.uniform(-6, 6, 500), DRAWS.choice([-1.0, 0.0, 1.0], 500)
    assert_agree(LOSSES.get(name).function, scores, targets, atol=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "relu(1 - y*s)",
        "where(y > 0, softplus(-s), s*s/(1 + s*s)) + 0.1*abs(s - y)",
        "s**3 - s**-2 + s**0.5 + 2**s + (s*s)**y + exp(-s)**2",
        "max(s, y)*min(s, 0.3)",
        "3.5*s + where(1 > 2, s, y)",
        "log1p(s) - erf(s)" if "log1p" in PRIMITIVES else "log(1 + s) - erf(s)",
    ],
)
def test_an_expression_of_the_users_means_the_same(text: str) -> None:
    scores, targets = DRAWS.uniform(0.1, 2, 300), DRAWS.choice([-1.0, 1.0], 300)
    trace = Trace(parse_loss(text), 2)
    assert_agree(parse_loss(text), scores, targets, atol=1e-11)  # sums of large terms cancel
    assert not trace.is_identity


def test_what_a_slope_can_be_told_from() -> None:
    rules = {name: Trace(ACTIVATIONS.get(name), 1).slope_from_result for name in ACTIVATIONS.names()}
    assert rules["tanh"] == "1.0 - o * o"
    assert rules["relu"] is not None
    assert rules["sigmoid"] is not None
    assert rules["gelu"] is None
    assert rules["softplus"] is None
    assert Trace(ACTIVATIONS.get("linear"), 1).is_identity
    assert Trace(ACTIVATIONS.get("relu"), 1).is_cheap
    assert not Trace(ACTIVATIONS.get("tanh"), 1).is_cheap
