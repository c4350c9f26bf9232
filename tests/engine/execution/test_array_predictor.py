"""NumPy's gradients of predictions against those of the expression graph."""

import numpy as np
import pytest

from engine.execution import array_predictor
from engine.execution.array_predictor import ArrayPredictor, forward_pass, slopes_of, unit_slopes
from engine.execution.arrays import forward
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.judges import eager_gradients


@pytest.mark.parametrize("output", [None, 0, 2])
def test_gradients_are_those_of_the_graph(output: int | None) -> None:
    plan, state = make_plan([4, 6, 3], activation="gelu", output_activation="tanh")
    x = np.random.default_rng(2).standard_normal((7, 4))
    found = ArrayPredictor(plan.layers, state.parameters).gradients(x, output)
    assert np.array_equal(found.scores, forward(plan.layers, state.parameters, x))
    assert np.array_equal(found.values, found.scores[np.arange(7), found.outputs])
    if output is None:
        assert np.array_equal(found.outputs, found.scores.argmax(axis=1))
    judged = eager_gradients(plan.layers, state.parameters, x, found.outputs)
    np.testing.assert_allclose(found.slopes, judged, rtol=1e-12, atol=1e-14)


def test_many_rows_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, state = make_plan([4, 6, 3])
    x = np.random.default_rng(2).standard_normal((7, 4))
    predictor = ArrayPredictor(plan.layers, state.parameters)
    whole = predictor.gradients(x)
    monkeypatch.setattr(array_predictor, "PREDICTION_ROWS", 3)
    np.testing.assert_allclose(predictor.gradients(x).slopes, whole.slopes, rtol=1e-13)
    assert predictor.gradients(x[:0]).slopes.shape == (0, 4)


def test_every_layer_is_passed_on_the_way_back() -> None:
    plan, state = make_plan([2, 3, 4, 1])
    predictor = ArrayPredictor(plan.layers, state.parameters)
    done = forward_pass(predictor, np.ones((5, 2)))
    chosen = np.zeros(5, dtype=np.int64)
    steps = list(slopes_of(predictor, done, unit_slopes(done.scores, chosen)))
    assert [i for i, *_ in steps] == [2, 1, 0]
    assert [along_inputs.shape for *_, along_inputs in steps] == [(5, 4), (5, 3), (5, 2)]
