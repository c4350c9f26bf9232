"""Schedules by the contract's formulas."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.nn.schedules import SCHEDULES, learning_rate_factor

N = 21
FORMULAS: list[tuple[str, dict[str, Any], Callable[[int], float]]] = [
    ("constant", {}, lambda i: 1.0),
    ("linear", {"end_factor": 0.1}, lambda i: 1.0 - 0.9 * i / N),
    ("linear", {"end_factor": 2.0}, lambda i: 1.0 + i / N),
    ("cosine", {}, lambda i: math.cos(0.5 * math.pi * i / N) ** 2),  # ½(1 + cos 2x) = cos² x
    ("exponential", {"gamma": 0.9}, lambda i: math.exp(i * math.log(0.9))),
    ("step", {"every": 4, "gamma": 0.5}, lambda i: 0.5 ** math.floor(i / 4)),
]
each = pytest.mark.parametrize(
    ("name", "knobs", "formula"), FORMULAS, ids=[f"{n}-{k}" for n, k, _ in FORMULAS]
)


def test_every_schedule_is_here() -> None:
    assert {name for name, _, _ in FORMULAS} == set(SCHEDULES.names())


@each
def test_the_factor_follows_the_formula(
    name: str, knobs: dict[str, Any], formula: Callable[[int], float]
) -> None:
    for i in range(N):
        assert learning_rate_factor(name, knobs, i, N) == pytest.approx(formula(i), rel=1e-12)


def test_the_linear_factor_has_the_tutorials_bits() -> None:
    for i in range(N):
        assert learning_rate_factor("linear", {"end_factor": 0.1}, i, N) == 1.0 - 0.9 * i / N


@each
@pytest.mark.parametrize("warmup", [1, 3])
def test_warmup_climbs_to_the_first_factor_and_then_the_schedule_runs_over_the_rest(
    name: str, knobs: dict[str, Any], formula: Callable[[int], float], warmup: int
) -> None:
    epochs = N + warmup
    factors = [
        learning_rate_factor(name, knobs | {"warmup_epochs": warmup}, i, epochs) for i in range(epochs)
    ]
    assert factors[:warmup] == pytest.approx([(i + 1) / warmup for i in range(warmup)])
    assert factors[warmup:] == pytest.approx([formula(i) for i in range(N)], rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_a_warmup_longer_than_the_training_never_fails(name: str) -> None:
    knobs = {"end_factor": 0.1, "gamma": 0.9, "every": 4, "warmup_epochs": 50}
    assert [learning_rate_factor(name, knobs, i, 10) for i in (0, 9)] == pytest.approx([0.02, 0.2])
