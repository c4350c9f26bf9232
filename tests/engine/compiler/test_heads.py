"""The head of a single output unit: narrow and wide inputs, metrics, masks."""

import pytest

from engine.execution.eager import EagerExecutor
from engine.nn.losses import LOSSES
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.test_compiled import assert_same

SINGLE = [name for name, loss in LOSSES if not loss.rowwise]


@pytest.mark.parametrize("loss", SINGLE)
@pytest.mark.parametrize("inputs", [3, 20])
def test_every_loss_gives_the_eager_loss_and_metrics(loss: str, inputs: int) -> None:
    plan, state = make_plan([inputs, 1], loss=loss, rows=13, batch=6, validation=9, weighted=True, epochs=2)
    assert_same(plan, state, 1e-11, EagerExecutor)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_a_regression_is_measured_as_by_the_eager_one(loss: str) -> None:
    plan, state = make_plan(
        [4, 35, 1], loss=loss, task="regression", rows=13, batch=6, validation=9, epochs=2
    )
    assert_same(plan, state, 1e-11, EagerExecutor)
