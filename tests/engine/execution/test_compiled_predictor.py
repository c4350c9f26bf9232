"""Compiled predictions against NumPy's, alone, in blocks, in threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.compiler.jit import Target
from engine.execution.arrays import forward
from engine.execution.compiled_predictor import CompiledPredictor
from engine.nn.activations import ACTIVATIONS
from tests.engine.compiler.plans import make_plan

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


def test_rows_of_another_width_are_refused() -> None:
    plan, state = make_plan([6, 1])
    predictor = CompiledPredictor(plan.layers, state.parameters)
    with pytest.raises(ValueError, match="6 columns"):
        predictor(np.zeros((3, 5)))
    assert predictor(np.zeros((3, 6), order="F")).shape == (3, 1)
