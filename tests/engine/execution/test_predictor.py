"""Who predicts: the compiler where there is one, else NumPy."""

import numpy as np
import pytest

from engine.execution import predictor
from engine.execution.arrays import forward
from engine.execution.compiled.predictor import CompiledPredictor
from engine.execution.predictor import make_predictor
from tests.engine.compiler.plans import make_plan


def test_the_compiler_predicts_where_there_is_one() -> None:
    plan, state = make_plan([3, 1])
    assert isinstance(make_predictor(plan.layers, state.parameters), CompiledPredictor)


def test_numpy_predicts_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, state = make_plan([3, 4, 2])
    monkeypatch.setattr(predictor, "can_compile", lambda: False)
    x = np.random.default_rng(0).standard_normal((5, 3))
    scores = make_predictor(plan.layers, state.parameters)(x)
    assert np.array_equal(scores, forward(plan.layers, state.parameters, x))
    assert make_predictor(plan.layers, state.parameters).gradients(x).slopes.shape == (5, 3)
