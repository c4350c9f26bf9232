"""NumPy by hand, as one writes it."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Train
from benchmarks.workloads import Array, Workload


class _Numpy:
    """One training: parameters, moments, and a step."""

    def __init__(self, workload: Workload) -> None:
        self._workload, self._is_relu = workload, workload.activation == "relu"
        self.parameters = [part for pair in workload.weights for part in pair]
        self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        self._steps = 0

    def step(self, x: Array, y: Array, rate: float) -> float:
        """Moves the parameters; the loss before."""
        values = self._forward(x)
        loss, slope = self._head(values[-1], y)
        gradients = self._backward(values, slope)
        self._steps += 1
        for parameter, gradient, moments in zip(self.parameters, gradients, self._moments, strict=True):
            self._move(parameter, gradient, moments, rate)
        return loss

    def _forward(self, x: Array) -> list[Array]:
        values = [x]
        for i in range(0, len(self.parameters), 2):
            z = values[-1] @ self.parameters[i].T + self.parameters[i + 1]
            is_last = i == len(self.parameters) - 2
            values.append(z if is_last else np.maximum(z, 0.0) if self._is_relu else np.tanh(z))
        return values

    def _head(self, s: Array, y: Array) -> tuple[float, Array]:
        """The mean loss and its slopes by the scores."""
        if self._workload.plan.loss.name == "hinge":
            margin = 1.0 - y * s
            return float(np.maximum(margin, 0.0).mean()), np.where(margin > 0.0, -y, 0.0) / len(s)
        if self._workload.plan.loss.name == "binary_cross_entropy":
            loss = np.maximum(s, 0.0) - y * s + np.log1p(np.exp(-np.abs(s)))
            return float(loss.mean()), (1.0 / (1.0 + np.exp(-s)) - y) / len(s)
        shifted = s - s.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(axis=1, keepdims=True)
        return float((np.log(total)[:, 0] - (shifted * y).sum(axis=1)).mean()), (powers / total - y) / len(s)

    def _backward(self, values: list[Array], slope: Array) -> list[Array]:
        gradients: list[Array] = []
        for i in range(len(self.parameters) - 2, -1, -2):
            below = values[i // 2]
            gradients[:0] = [slope.T @ below, slope.sum(axis=0)]
            if i:
                slope = slope @ self.parameters[i]
                slope = slope * (below > 0.0 if self._is_relu else 1.0 - below * below)
        return gradients

    def _move(self, parameter: Array, g: Array, moments: tuple[Array, Array], rate: float) -> None:
        knobs, (mean, square) = self._workload.plan.optimizer.knobs, moments
        if self._workload.plan.optimizer.name == "sgd":
            np.subtract(parameter, rate * (g + knobs["weight_decay"] * parameter), out=parameter)
            return
        first, second = knobs["betas"]
        np.add(first * mean, (1 - first) * g, out=mean)
        np.add(second * square, (1 - second) * g * g, out=square)
        scale = np.sqrt(square / (1 - second**self._steps)) + knobs["eps"]
        np.subtract(parameter, rate * (mean / (1 - first**self._steps)) / scale, out=parameter)


def trainer(workload: Workload) -> Train:
    """NumPy's training."""
    rows, batches, rates = workload.plan.train, workload.batches, workload.rates
    is_whole = workload.plan.batch_size is None

    def train() -> list[float]:
        network, losses = _Numpy(workload), []
        for rate, epoch in zip(rates, batches, strict=True):
            for batch in epoch:
                given = slice(None) if is_whole else batch
                losses.append(network.step(rows.x[given], rows.targets[given], rate))
                if len(losses) == workload.steps:
                    return losses
        return losses

    return train
