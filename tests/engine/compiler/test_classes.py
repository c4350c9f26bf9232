"""Heads over several classes: narrow and wide, hits, weights, tails."""

from typing import Any

import numpy as np
import pytest

from engine.execution.compiled import CompiledExecutor
from engine.execution.eager import EagerExecutor
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.test_compiled import assert_same


@pytest.mark.parametrize("classes", [2, 3, 8, 9, 16, 17, 33])
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "mse"])
def test_losses_and_hits_are_the_eager_ones(classes: int, loss: str) -> None:
    plan, state = make_plan([3, classes], loss=loss, rows=13, batch=5, validation=7, weighted=True, epochs=2)
    assert_same(plan, state, 1e-11, EagerExecutor)


@pytest.mark.parametrize("classes", [4, 20])
def test_of_equal_scores_the_first_class_wins(classes: int) -> None:
    plan, state = make_plan([3, classes], loss="cross_entropy", rows=16, epochs=1)
    zero: Any = type(state)(0, np.zeros_like(state.parameters), state.moments)
    row = CompiledExecutor(plan, zero).run(1).rows[0]
    assert row[plan.columns.index("train_accuracy")] == (plan.train.labels == 0).mean()
    assert row[0] == pytest.approx(np.log(classes), rel=1e-14)


@pytest.mark.parametrize("classes", [4, 20])
def test_a_softmax_of_huge_scores_stays_finite(classes: int) -> None:
    plan, state = make_plan([3, classes], loss="cross_entropy", rows=16, epochs=1)
    plan.train.x[:] *= 1e5
    assert_same(plan, state, 1e-11)
