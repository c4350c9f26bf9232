"""Compiled predictions and gradients against NumPy's, alone, in blocks, in threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.compiler.jit import Target
from engine.execution.array_predictor import ArrayPredictor
from engine.execution.arrays import forward
from engine.execution.compiled.predictor import CompiledPredictor, Workspaces
from engine.execution.plan import Array
from engine.nn.activations import ACTIVATIONS
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.judges import eager_gradients

NETWORKS = [
    [5, 1],
    [2, 16, 16, 1],
    [30, 32, 16, 1],
    [64, 128, 64, 10],
    [3, 40, 23],
    [20, 37, 21, 1],
    [1, 1, 1],
]


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_scores_are_numpys_and_a_row_has_the_same_bits_in_any_company(sizes: list[int]) -> None:
    plan, state = make_plan(sizes, activation="gelu", output_activation="tanh")
    predictor = CompiledPredictor(plan.layers, state.parameters)
    x = np.random.default_rng(4).standard_normal((101, sizes[0]))
    whole = predictor(x)
    np.testing.assert_allclose(whole, forward(plan.layers, state.parameters, x), rtol=1e-12, atol=1e-14)
    for count in (0, 1, 2, 47, 48, 49):
        assert predictor(x[:count]).tobytes() == whole[:count].tobytes()
    assert np.concatenate([predictor(row[None]) for row in x]).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_every_activation_is_predicted(name: str) -> None:
    plan, state = make_plan([4, 9, 3], activation=name, output_activation=name)
    x = np.random.default_rng(5).standard_normal((10, 4))
    got = CompiledPredictor(plan.layers, state.parameters)(x)
    np.testing.assert_allclose(got, forward(plan.layers, state.parameters, x), rtol=1e-12, atol=1e-14)


def test_narrow_vectors_give_the_same_bits() -> None:
    plan, state = make_plan([20, 37, 3])
    x = np.random.default_rng(6).standard_normal((60, 20))
    here, narrow = (CompiledPredictor(plan.layers, state.parameters, target=t) for t in (None, Target.avx2()))
    assert here(x).tobytes() == narrow(x).tobytes()
    assert here(x[:1]).tobytes() == narrow(x[:1]).tobytes()


def test_threads_share_a_predictor() -> None:
    plan, state = make_plan([6, 33, 4])
    predictor = CompiledPredictor(plan.layers, state.parameters)
    batches = [np.random.default_rng(seed).standard_normal((1 + seed % 60, 6)) for seed in range(200)]
    alone = [predictor(x).tobytes() for x in batches]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda x: predictor(x).tobytes(), batches)) == alone


def test_calls_one_after_another_share_a_workspace_whatever_their_threads() -> None:
    workspaces = Workspaces(100)
    first, second = workspaces.take(), workspaces.take()
    assert first[0] != second[0]
    workspaces.give_back(first)
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(workspaces.take).result()
    assert third[0] == first[0]
    assert third[1].size == 100


def test_rows_of_another_width_are_refused() -> None:
    plan, state = make_plan([6, 1])
    predictor = CompiledPredictor(plan.layers, state.parameters)
    with pytest.raises(ValueError, match="6 columns"):
        predictor(np.zeros((3, 5)))
    assert predictor(np.zeros((3, 6), order="F")).shape == (3, 1)


@pytest.mark.parametrize("sizes", [*NETWORKS, [3, 17, 33, 64, 100]], ids=str)
@pytest.mark.parametrize("output_activation", ["linear", "sigmoid"])
def test_gradients_are_numpys_and_the_graphs(sizes: list[int], output_activation: str) -> None:
    plan, state = make_plan(sizes, activation="gelu", output_activation=output_activation)
    predictor = CompiledPredictor(plan.layers, state.parameters)
    x = np.random.default_rng(4).standard_normal((101, sizes[0]))
    found, judge = predictor.gradients(x), ArrayPredictor(plan.layers, state.parameters).gradients(x)
    assert found.scores.tobytes() == predictor(x).tobytes()
    assert np.array_equal(found.outputs, judge.outputs)
    close(found.slopes, judge.slopes)
    close(found.slopes[:3], eager_gradients(plan.layers, state.parameters, x[:3], found.outputs[:3]))
    for count in (0, 1, 2, 47, 48, 49):
        assert predictor.gradients(x[:count]).slopes.tobytes() == found.slopes[:count].tobytes()


def close(found: Array, judge: Array) -> None:
    """To 1e-12, of the row's largest slope where sums cancel."""
    scale = np.abs(judge).max(axis=1, keepdims=True)
    assert (np.abs(found - judge) <= 1e-12 * scale).all()


@pytest.mark.parametrize("name", ACTIVATIONS.names())
@pytest.mark.parametrize("outputs", [1, 3])
def test_gradients_go_through_every_activation_and_from_every_output(name: str, outputs: int) -> None:
    plan, state = make_plan([4, 9, 20, outputs], activation=name, output_activation=name)
    x = np.random.default_rng(5).standard_normal((10, 4))
    x[0] = 0.0
    predictor = CompiledPredictor(plan.layers, state.parameters)
    for output in range(outputs):
        found = predictor.gradients(x, output)
        assert (found.outputs == output).all()
        close(found.slopes, eager_gradients(plan.layers, state.parameters, x, found.outputs))


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_gradients_of_saturated_and_overflowing_rows_are_the_graphs(name: str) -> None:
    plan, state = make_plan([2, 5, 1], activation=name)
    x = np.array([[1e3, -1e3], [-1e3, 1e3], [1e300, 1e300], [-1e300, 1e300], [5e-324, 0.0], [np.inf, 1.0]])
    found = CompiledPredictor(plan.layers, state.parameters).gradients(x)
    judge = eager_gradients(plan.layers, state.parameters, x, found.outputs)
    np.testing.assert_allclose(found.slopes, judge, rtol=1e-12, atol=1e-300)


def test_gradients_have_the_same_bits_on_narrow_vectors_and_in_threads() -> None:
    plan, state = make_plan([20, 37, 3], activation="silu")
    x = np.random.default_rng(6).standard_normal((60, 20))
    here, narrow = (CompiledPredictor(plan.layers, state.parameters, target=t) for t in (None, Target.avx2()))
    alone = here.gradients(x).slopes.tobytes()
    assert narrow.gradients(x).slopes.tobytes() == alone
    fresh = CompiledPredictor(plan.layers, state.parameters)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: fresh.gradients(x).slopes.tobytes(), range(100))) == {alone}


@pytest.mark.parametrize("output", [-1, 3])
def test_an_output_that_is_not_there_is_refused(output: int) -> None:
    plan, state = make_plan([2, 3])
    with pytest.raises(ValueError, match="between 0 and 2"):
        CompiledPredictor(plan.layers, state.parameters).gradients(np.zeros((1, 2)), output)
