"""The judge without a framework: each derivative written by hand, each sum by NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import erf, expit, logsumexp, softmax

from tests.judging.numbers import Array, Numbers, Rows
from tests.judging.trials import Trial
from tests.judging.verdict import History

Curve = tuple[Callable[[Array], Array], Callable[[Array], Array]]
"""A function and its slope."""

ACTIVATED: dict[str, Curve] = {
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0.0).astype(float)),
    "leaky_relu": (lambda z: np.where(z > 0.0, z, 0.01 * z), lambda z: np.where(z > 0.0, 1.0, 0.01)),
    "elu": (
        lambda z: np.where(z > 0.0, z, np.expm1(np.minimum(z, 0.0))),
        lambda z: np.where(z > 0.0, 1.0, np.exp(np.minimum(z, 0.0))),
    ),
    "gelu": (
        lambda z: 0.5 * z * (1.0 + erf(z / math.sqrt(2.0))),
        lambda z: 0.5 * (1.0 + erf(z / math.sqrt(2.0))) + z * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi),
    ),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1.0 + z * expit(-z))),
    "sigmoid": (expit, lambda z: expit(z) * expit(-z)),
    "softplus": (lambda z: np.logaddexp(0.0, z), expit),
    "linear": (lambda z: z, np.ones_like),
}

Loss = Callable[[Array, Array], tuple[Array, Array]]
"""(rows, outputs) scores and targets → each element's loss and its slope by the score."""


def _of_margin(value: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Loss:
    return lambda s, t: (value(t * s), t * slope(t * s))


def _of_error(value: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Loss:
    return lambda s, t: (value(s - t), slope(s - t))


def _cross_entropy(s: Array, t: Array) -> tuple[Array, Array]:
    """A row's loss stands in its first element."""
    values = np.zeros_like(s)
    values[:, 0] = logsumexp(s, axis=1) - (s * t).sum(axis=1)
    return values, softmax(s, axis=1) - t


LOSSES: dict[str, Loss] = {
    "hinge": _of_margin(lambda m: np.maximum(1.0 - m, 0.0), lambda m: -(m < 1.0).astype(float)),
    "squared_hinge": _of_margin(
        lambda m: np.maximum(1.0 - m, 0.0) ** 2, lambda m: -2.0 * np.maximum(1.0 - m, 0.0)
    ),
    "binary_cross_entropy": lambda s, t: (np.logaddexp(0.0, s) - t * s, expit(s) - t),
    "cross_entropy": _cross_entropy,
    "mse": _of_error(lambda e: e**2, lambda e: 2.0 * e),
    "mae": _of_error(np.abs, np.sign),
    "huber": _of_error(
        lambda e: np.where(np.abs(e) < 1.0, 0.5 * e**2, np.abs(e) - 0.5), lambda e: np.clip(e, -1.0, 1.0)
    ),
    "(s - y)**2 + 0.5*abs(s - y)": _of_error(
        lambda e: e**2 + 0.5 * np.abs(e), lambda e: 2.0 * e + 0.5 * np.sign(e)
    ),
    "where(abs(s - y) < 1, (s - y)**2, 2*abs(s - y) - 1)": _of_error(
        lambda e: np.where(np.abs(e) < 1.0, e**2, 2.0 * np.abs(e) - 1.0),
        lambda e: 2.0 * np.clip(e, -1.0, 1.0),
    ),
    "log(1 + exp(-y*s)) + 0.01*s**2": lambda s, t: (
        np.logaddexp(0.0, -t * s) + 0.01 * s**2,
        -t * expit(-t * s) + 0.02 * s,
    ),
}
LOSSES["relu(1 - y*s)"] = LOSSES["hinge"]


def history(trial: Trial) -> History:
    """The trial's training, epoch by epoch, until a loss is no longer finite."""
    return NumpyTraining(Numbers(trial)).history()


class NumpyTraining:
    """Full-batch training of a perceptron; `parameters` are weights and biases, layer by layer."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers, self._optimizer = numbers, numbers.spec["optimizer"]
        self._parameters = [part for layer in numbers.first_layers() for part in layer]
        start = self._optimizer.get("initial_accumulator_value", 0.0)
        self._squares = [np.full_like(part, start) for part in self._parameters]
        self._velocities = [np.zeros_like(part) for part in self._parameters]

    def history(self) -> History:
        """The history's columns, as far as they are finite."""
        found = History(validated=self._numbers.validation is not None)
        with np.errstate(all="ignore"):
            for epoch, rate in enumerate(self._numbers.rates):
                loss, gradients = self._loss_and_gradients(self._numbers.train)
                norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
                limit = self._optimizer.get("clip_norm")
                shrink = 1.0 if limit is None else min(1.0, limit / (norm + 1e-6))
                for k, gradient in enumerate(gradients):
                    self._parameters[k] = self._moved(k, gradient * shrink, rate, epoch + 1)
                held = self._numbers.validation
                if not found.add(loss, self._loss_and_gradients(held)[0] if held else None, rate, norm):
                    break
        return found

    def _loss_and_gradients(self, rows: Rows) -> tuple[float, list[Array]]:
        inputs, sums = [rows.x], []
        curves = [ACTIVATED[name] for name in self._numbers.activations]
        layers = list(zip(self._parameters[::2], self._parameters[1::2], curves, strict=True))
        for weights, biases, (function, _) in layers:
            sums.append(inputs[-1] @ weights.T + biases)
            inputs.append(function(sums[-1]))
        values, slopes = LOSSES[self._numbers.loss](inputs.pop(), rows.targets)
        count = values.size if self._numbers.averages_elements else len(rows)
        shares = rows.weights[:, None] / count
        gradients: list[Array] = []
        upstream = slopes * shares
        for (weights, _, (_, slope)), z, below in zip(layers[::-1], sums[::-1], inputs[::-1], strict=True):
            along = upstream * slope(z)
            gradients = [along.T @ below, along.sum(axis=0), *gradients]
            upstream = along @ weights
        return float((values * shares).sum()), gradients

    def _moved(self, k: int, g: Array, rate: float, t: int) -> Array:
        """Parameter k after its t-th update, by PyTorch's documented algorithms."""
        knobs, p = self._optimizer, self._parameters[k]
        if knobs["name"] == "adamw":
            p = p - rate * knobs.get("weight_decay", 0.01) * p
        else:
            g = g + knobs.get("weight_decay", 0.0) * p
        moved: Array = p - rate * self._step(k, g, t)
        return moved

    def _step(self, k: int, g: Array, t: int) -> Array:
        """What the learning rate multiplies in the t-th update of parameter k."""
        knobs, name = self._optimizer, self._optimizer["name"]
        if name == "sgd":
            return self._with_momentum(k, g, nesterov=knobs["nesterov"])
        if name == "adagrad":
            self._squares[k] = self._squares[k] + g**2
            step: Array = g / (np.sqrt(self._squares[k]) + knobs["eps"])
            return step
        if name == "rmsprop":
            self._squares[k] = knobs["alpha"] * self._squares[k] + (1.0 - knobs["alpha"]) * g**2
            return self._with_momentum(k, g / (np.sqrt(self._squares[k]) + knobs["eps"]))
        first, second = knobs["betas"]
        self._velocities[k] = first * self._velocities[k] + (1.0 - first) * g
        self._squares[k] = second * self._squares[k] + (1.0 - second) * g**2
        adam: Array = self._velocities[k] / (1.0 - first**t)
        adam /= np.sqrt(self._squares[k] / (1.0 - second**t)) + knobs["eps"]
        return adam

    def _with_momentum(self, k: int, step: Array, *, nesterov: bool = False) -> Array:
        momentum = self._optimizer["momentum"]
        self._velocities[k] = momentum * self._velocities[k] + step
        return step + momentum * self._velocities[k] if nesterov else self._velocities[k]
