"""First parameters: the tutorial's order of draws, and the variances of the papers."""

import random

import numpy as np
import pytest

from engine.nn.initializers import INITIALIZERS, initial_layers
from engine.nn.modules import MLP

RANGE = {"low": -1.0, "high": 1.0}


def test_uniform_draws_in_the_tutorials_order() -> None:
    generator = random.Random(1337)
    for weights, biases in initial_layers("uniform", RANGE, (2, 4, 3, 1), 1337):
        for neuron, bias in zip(weights, biases, strict=True):
            assert neuron.tolist() == [generator.uniform(-1, 1) for _ in neuron]
            assert bias == generator.uniform(-1, 1)


def test_uniform_gives_the_parameters_of_a_network_of_values() -> None:
    random.seed(1337)
    parameters = [p.data for p in MLP(2, [4, 3, 1]).parameters()]
    layers = initial_layers("uniform", RANGE, (2, 4, 3, 1), 1337)
    drawn = [x for w, b in layers for neuron, bias in zip(w, b, strict=True) for x in (*neuron, bias)]
    assert drawn == parameters


def test_uniform_stays_between_its_bounds() -> None:
    ((weights, biases),) = initial_layers("uniform", {"low": 2.0, "high": 2.5}, (40, 30), 1)
    everything = np.append(np.ravel(weights), biases)
    assert 2.0 <= everything.min() < 2.01
    assert 2.49 < everything.max() <= 2.5


INPUTS, UNITS = 120, 80
VARIANCES = {
    "glorot_uniform": 2.0 / (INPUTS + UNITS),
    "glorot_normal": 2.0 / (INPUTS + UNITS),
    "he_uniform": 2.0 / INPUTS,
    "he_normal": 2.0 / INPUTS,
    "uniform": 4.0 / 12.0,
    "zeros": 0.0,
}


@pytest.mark.parametrize("scheme", INITIALIZERS.names())
def test_weights_have_mean_zero_and_the_variance_of_the_paper(scheme: str) -> None:
    ((weights, biases),) = initial_layers(scheme, RANGE, (INPUTS, UNITS), 7)
    flat = np.ravel(weights)
    assert np.shape(weights) == (UNITS, INPUTS)
    assert len(biases) == UNITS
    # 9,600 draws: the mean's deviation is sigma/98, the variance's at most sigma^2 sqrt(2/9600)
    variance = VARIANCES[scheme]
    assert abs(flat.mean()) <= 4.0 * (variance / flat.size) ** 0.5
    assert flat.var() == pytest.approx(variance, rel=0.06)
    assert scheme == "uniform" or not any(biases)


@pytest.mark.parametrize("scheme", ["glorot_uniform", "he_uniform"])
def test_uniform_schemes_reach_the_bound_of_the_paper_and_no_further(scheme: str) -> None:
    ((weights, _),) = initial_layers(scheme, {}, (INPUTS, UNITS), 7)
    bound = (3.0 * VARIANCES[scheme]) ** 0.5
    assert 0.999 * bound < np.abs(weights).max() <= bound


@pytest.mark.parametrize("scheme", ["glorot_normal", "he_normal"])
def test_normal_schemes_have_normal_tails(scheme: str) -> None:
    ((weights, _),) = initial_layers(scheme, {}, (INPUTS, UNITS), 7)
    share = (np.abs(weights) > 2.0 * VARIANCES[scheme] ** 0.5).mean()
    assert share == pytest.approx(0.0455, abs=0.008)


@pytest.mark.parametrize("scheme", INITIALIZERS.names())
def test_the_seed_decides(scheme: str) -> None:
    def drawn(seed: int) -> list[float]:
        layers = initial_layers(scheme, RANGE, (3, 5, 2), seed)
        return [x for layer in layers for part in layer for x in part.ravel().tolist()]

    assert drawn(11) == drawn(11)
    assert scheme == "zeros" or drawn(11) != drawn(12)
