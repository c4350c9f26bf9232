"""The end of an epoch: what is finite, what is best, when it is over."""

import numpy as np
import pytest

from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.spec.sections import EarlyStopping
from tests.engine.compiler.plans import make_plan


@pytest.mark.parametrize("min_delta", [0.0, 0.01, 10.0])
def test_the_best_epoch_is_noted_epoch_by_epoch_as_by_the_eager_one(min_delta: float) -> None:
    stopping = EarlyStopping(metric="train_loss", patience=3, min_delta=min_delta)
    plan, state = make_plan([3, 5, 1], rows=12, batch=4, epochs=12, stopping=stopping)
    eager, compiled = EagerExecutor(plan, state), CompiledExecutor(plan, state)
    for _ in range(12):
        assert len(eager.run(1).rows) == len(compiled.run(1).rows)
        assert compiled.state.best is not None
        assert eager.state.best is not None
        assert compiled.state.best.epoch == eager.state.best.epoch
        assert compiled.state.is_over(plan) == eager.state.is_over(plan)


@pytest.mark.parametrize("task", ["regression", "binary"])
@pytest.mark.parametrize("validation", [0, 7])
def test_the_columns_are_those_of_the_eager_one(task: str, validation: int) -> None:
    plan, state = make_plan([3, 5, 1], rows=12, batch=5, task=task, validation=validation)
    eager, compiled = EagerExecutor(plan, state).run(4).rows, CompiledExecutor(plan, state).run(4).rows
    assert compiled.shape == (4, len(plan.columns))
    np.testing.assert_allclose(compiled, eager, rtol=1e-12, atol=1e-13)


def test_equal_targets_have_no_r2_and_no_best_epoch_by_it() -> None:
    stopping = EarlyStopping(metric="train_r2", patience=9, min_delta=0.0)
    plan, state = make_plan([3, 1], rows=8, task="regression", stopping=stopping)
    plan.train.labels[:] = plan.train.targets[:] = 2.0
    compiled = CompiledExecutor(plan, state)
    assert np.isnan(compiled.run(2).rows[:, plan.columns.index("train_r2")]).all()
    assert compiled.state.best is None


def test_a_validation_loss_that_is_lost_ends_the_run_too() -> None:
    plan, state = make_plan([3, 1], rows=12, validation=4, epochs=5)
    assert plan.validation is not None
    plan.validation.x[0, 0] = np.inf
    progress = CompiledExecutor(plan, state).run(5)
    assert progress.diverged == 1
    assert len(progress.rows) == 0
