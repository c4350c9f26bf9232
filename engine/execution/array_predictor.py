"""Predictions and their gradients with NumPy: the fallback, a third opinion, and every number on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.autograd.vectorized import Evaluation, vectorized
from engine.execution.arrays import PREDICTION_ROWS, forward
from engine.execution.plan import Array, LayerPlan, unflatten
from engine.execution.tally import predicted_classes
from engine.nn.activations import ACTIVATIONS


class Network(Protocol):
    """Layers, and their flat parameters."""

    @property
    def layers(self) -> tuple[LayerPlan, ...]: ...

    @property
    def parameters(self) -> Array: ...


@dataclass(frozen=True, slots=True)
class Gradients:
    """For each row: the output looked at, all scores (rows, outputs), that one's slopes (rows, inputs)."""

    outputs: NDArray[np.int64]
    scores: Array
    slopes: Array

    @property
    def values(self) -> Array:
        """(rows,): the scores of the chosen outputs."""
        return self.scores[np.arange(len(self.outputs)), self.outputs]


@dataclass(frozen=True, slots=True)
class Pass:
    """One way forward through the network: what went into each layer, and each activation at work."""

    inputs: list[Array]
    sums: list[Array]
    activations: list[Evaluation]
    scores: Array


@dataclass(frozen=True, slots=True)
class ArrayPredictor:
    """(rows, inputs) → (rows, outputs)."""

    layers: tuple[LayerPlan, ...]
    parameters: Array

    def __call__(self, x: Array) -> Array:
        """The scores."""
        return forward(self.layers, self.parameters, x)

    def gradients(self, x: Array, output: int | None = None) -> Gradients:
        """The scores, and the slopes of one of each row: `output`, or the greatest."""
        starts = range(0, max(len(x), 1), PREDICTION_ROWS)
        parts = [_gradients(self, x[start : start + PREDICTION_ROWS], output) for start in starts]
        return Gradients(
            np.concatenate([part.outputs for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.slopes for part in parts]),
        )


def _gradients(network: Network, x: Array, output: int | None) -> Gradients:
    done = forward_pass(network, x)
    chosen = predicted_outputs(done.scores) if output is None else np.full(len(x), output)
    *_, (_, _, _, slopes) = slopes_of(network, done, unit_slopes(done.scores, chosen))
    return Gradients(chosen, done.scores, slopes)


def predicted_outputs(scores: Array) -> NDArray[np.int64]:
    """(rows,): which score each row is explained by, the predicted class's, or the only one."""
    if scores.shape[1] == 1:
        return np.zeros(len(scores), dtype=np.int64)
    return predicted_classes(scores).astype(np.int64)


def unit_slopes(scores: Array, chosen: NDArray[np.int64]) -> Array:
    """(rows, outputs): 1 at each row's chosen output, else 0."""
    upstream = np.zeros_like(scores)
    upstream[np.arange(len(scores)), chosen] = 1.0
    return upstream


def forward_pass(network: Network, x: Array) -> Pass:
    """(rows, inputs) through the network, everything on the way kept."""
    layers = network.layers
    inputs, sums, activations = [x], [], []
    with np.errstate(all="ignore"):
        for layer, (weights, biases) in zip(layers, unflatten(layers, network.parameters), strict=True):
            sums.append(inputs[-1] @ weights.T + biases)
            activations.append(vectorized(ACTIVATIONS.get(layer.activation), 1)(sums[-1]))
            inputs.append(activations[-1].value)
    return Pass(inputs, sums, activations, inputs.pop())


def slopes_of(network: Network, done: Pass, upstream: Array) -> Iterator[tuple[int, Array, Array, Array]]:
    """From the last layer to the first: its index, and the slopes along its outputs, sums and inputs.

    `upstream` (rows, outputs) are the slopes along the scores.
    """
    views = unflatten(network.layers, network.parameters)
    with np.errstate(all="ignore"):
        for i in range(len(views) - 1, -1, -1):
            along_sums = done.activations[i].gradients(upstream)[0]
            along_inputs = along_sums @ views[i][0]
            yield i, upstream, along_sums, along_inputs
            upstream = along_inputs
