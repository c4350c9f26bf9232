"""Heads over several classes: narrow and wide, hits, weights, tails."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest

from engine.autograd.value import Value
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.nn.losses import LOSSES, Loss
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.compiled.test_executor import assert_same


@pytest.mark.parametrize("classes", [2, 3, 8, 9, 16, 17, 33])
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "mse"])
def test_losses_and_hits_are_the_eager_ones(classes: int, loss: str) -> None:
    plan, state = make_plan([3, classes], loss=loss, rows=13, batch=5, validation=7, weighted=True, epochs=2)
    assert_same(plan, state, 1e-11, EagerExecutor)


@pytest.mark.parametrize("classes", [2, 5, 17, 40])
@pytest.mark.parametrize("batch", [1, 5, None])
def test_any_loss_of_a_whole_row_is_compiled_from_its_trace(classes: int, batch: int | None) -> None:
    plan, state = make_plan(
        [3, classes], loss="cross_entropy", rows=13, batch=batch, validation=7, weighted=True
    )

    def margins(scores: Sequence[Value], targets: Sequence[Value]) -> Value:
        """The cross entropy, and the squared sum of the scores besides."""
        total = reduce(Value.add, scores)
        return LOSSES.get("cross_entropy").function(scores, targets) + 0.01 * total * total

    loss = Loss("margins", margins, "indicator", rowwise=True)
    assert_same(replace(plan, loss=loss), state, 1e-11, EagerExecutor)


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
