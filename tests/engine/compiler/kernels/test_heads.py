"""What heads have in common: metrics, and masks that keep rows out."""

from dataclasses import replace

import numpy as np
import pytest

from engine.autograd.expression import parse_loss
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.nn.losses import Loss
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.compiled.test_executor import assert_same


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_a_regression_is_measured_as_by_the_eager_one(loss: str) -> None:
    plan, state = make_plan(
        [4, 35, 1], loss=loss, task="regression", rows=13, batch=6, validation=9, epochs=2
    )
    assert_same(plan, state, 1e-11, EagerExecutor)


def test_rows_past_the_batch_leak_nothing_through_an_infinite_slope() -> None:
    loss = Loss("expression", parse_loss("log(0.2 + s*s*y*y) - (y*y)**0.5"), "value")
    plan, state = make_plan([3, 9, 1], rows=13, batch=6)
    assert_same(replace(plan, loss=loss), state, 1e-11, EagerExecutor)


def test_rows_without_weight_leak_nothing_either() -> None:
    loss = Loss("expression", parse_loss("log(s*s*y)*y"), "value")
    plan, state = make_plan([3, 1], rows=12, weighted=True, task="regression", epochs=1)
    assert plan.train.weights is not None
    plan.train.targets[::3], plan.train.labels[::3], plan.train.weights[::3] = 0.0, 0.0, 0.0
    plan.train.targets[:] = np.abs(plan.train.targets)
    plan.train.labels[:] = plan.train.targets[:, 0]
    executor, judge = (
        CompiledExecutor(replace(plan, loss=loss), state),
        EagerExecutor(replace(plan, loss=loss), state),
    )
    assert executor.run(1).diverged == judge.run(1).diverged
    assert executor.state.parameters == pytest.approx(judge.state.parameters, rel=1e-10, nan_ok=True)
