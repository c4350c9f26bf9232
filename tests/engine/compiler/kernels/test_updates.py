"""Optimizers traced: the loop over parameters moves them as the update rule does."""

from typing import Any

import pytest

from engine.compiler.kernels.updates import TracedUpdate
from engine.compiler.programs.shape import structure, variables
from engine.nn.optimizers import OPTIMIZERS, clip_factor
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.compiled.test_executor import assert_same

CHOICES = [
    optimizer("sgd"),
    optimizer("sgd", momentum=0.9, weight_decay=0.01),
    optimizer("sgd", momentum=0.9, nesterov=True),
    optimizer("adam"),
    optimizer("adam", weight_decay=0.1, betas=(0.0, 0.9)),
    optimizer("adam", betas=(0.9, 0.999999), eps=0.0),
    optimizer("adam", betas=(0.0, 0.0)),
    optimizer("adamw", eps=1e-3),
    optimizer("rmsprop", momentum=0.3),
    optimizer("rmsprop", alpha=0.0),
    optimizer("adagrad", initial_accumulator_value=0.1),
]


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_an_update_is_the_rule_itself(choice: Any, clip: float | None) -> None:
    choice = optimizer(choice.name, **(dict(choice.knobs) | {"clip_norm": clip, "learning_rate": 0.01}))
    plan, state = make_plan([3, 19, 1], activation="tanh", choice=choice, batch=4, epochs=10, rows=21)
    assert_same(plan, state, 1e-10)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_the_variables_of_a_trace_are_those_of_the_knobs(choice: Any) -> None:
    traced = TracedUpdate(OPTIMIZERS.get(choice.name), dict(structure(choice.knobs)))
    assert len(traced.knobs) == len(variables(choice.knobs))
    assert len(traced.results) == 1 + len(OPTIMIZERS.get(choice.name).state(choice.knobs))


def test_what_only_steps_change_is_taken_out_of_the_loop() -> None:
    knobs = optimizer("adam").knobs
    traced = TracedUpdate(OPTIMIZERS.get("adam"), dict(structure(knobs)))
    assert 1 <= len(traced.constants) <= 7
    assert len(traced.corrections) == 2


def test_clipping_has_the_margin_of_the_rule() -> None:
    assert clip_factor(1.0, 1.0) == pytest.approx(1.0 / (1.0 + 1e-6), rel=1e-15)


def test_late_corrections_are_made_inside() -> None:
    plan, state = make_plan([2, 1], choice=optimizer("adam"), batch=1, rows=30, epochs=50)
    assert_same(plan, state, 1e-10)  # 1,500 steps, past those handed over
