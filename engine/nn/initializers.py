"""First parameters: each scheme draws one layer from Python's own generator, neuron by neuron."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.registry import Registry

Array = NDArray[np.float64]
Draw = Callable[[], float]
Initializer = Callable[[random.Random, int, int, Mapping[str, float]], tuple[Draw, Draw]]
"""(generator, inputs, units, knobs) → the draws of one weight and of one bias."""

INITIALIZERS: Registry[Initializer] = Registry("init scheme")


def initial_layers(
    scheme: str, knobs: Mapping[str, float], sizes: tuple[int, ...], seed: int
) -> list[tuple[Array, Array]]:
    """Per layer its weights (units, inputs) and biases (units), drawn in the seed tutorial's order.

    Layer by layer, neuron by neuron: the neuron's weights and then its bias.
    """
    generator = random.Random(seed)  # noqa: S311 - reproducible, not secret
    initializer, layers = INITIALIZERS.get(scheme), []
    for inputs, units in pairwise(sizes):
        weight, bias = initializer(generator, inputs, units, knobs)
        weights, biases = np.empty((units, inputs)), np.empty(units)
        for unit in range(units):
            weights[unit] = [weight() for _ in range(inputs)]
            biases[unit] = bias()
        layers.append((weights, biases))
    return layers


def _zero() -> float:
    return 0.0


@INITIALIZERS.register("uniform")
def uniform(
    generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]
) -> tuple[Draw, Draw]:
    """Weights and biases uniform between `low` and `high`."""

    def draw() -> float:
        return generator.uniform(knobs["low"], knobs["high"])

    return draw, draw


@INITIALIZERS.register("glorot_uniform")
def glorot_uniform(
    generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]
) -> tuple[Draw, Draw]:
    """Weights uniform within √(6 / (inputs + units)), biases 0 (Glorot & Bengio 2010, equation 16)."""
    bound = math.sqrt(6.0 / (inputs + units))
    return lambda: generator.uniform(-bound, bound), _zero


@INITIALIZERS.register("glorot_normal")
def glorot_normal(
    generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]
) -> tuple[Draw, Draw]:
    """Weights normal with variance 2 / (inputs + units), biases 0 (Glorot & Bengio 2010, equation 12)."""
    deviation = math.sqrt(2.0 / (inputs + units))
    return lambda: generator.gauss(0.0, deviation), _zero


@INITIALIZERS.register("he_uniform")
def he_uniform(
    generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]
) -> tuple[Draw, Draw]:
    """Weights uniform within √(6 / inputs), biases 0 (He, Zhang, Ren & Sun 2015, equation 10)."""
    bound = math.sqrt(6.0 / inputs)
    return lambda: generator.uniform(-bound, bound), _zero


@INITIALIZERS.register("he_normal")
def he_normal(
    generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]
) -> tuple[Draw, Draw]:
    """Weights normal with variance 2 / inputs, biases 0 (He, Zhang, Ren & Sun 2015, equation 10)."""
    deviation = math.sqrt(2.0 / inputs)
    return lambda: generator.gauss(0.0, deviation), _zero


@INITIALIZERS.register("zeros")
def zeros(generator: random.Random, inputs: int, units: int, knobs: Mapping[str, float]) -> tuple[Draw, Draw]:
    """All parameters 0: nothing breaks the symmetry of hidden units, which a lesson may want to show."""
    return _zero, _zero
