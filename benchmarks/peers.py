"""The same trainings by others: each gives `train()`, which returns the loss of every step it made.

Same data, same first parameters, same batches, same optimizer, float64. scikit-learn alone takes no
first parameters and no order: it is timed, but its losses cannot be compared.
"""

from __future__ import annotations

import importlib.util
import random
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.workloads import Array, Workload

Train = Callable[[], list[float] | None]


def numpy_peer(w: Workload) -> Train:  # noqa: C901 - read as one piece, like any script
    """NumPy by hand, as one writes it."""
    x_all, y_all, batches, rates = w.plan.train.x, w.plan.train.targets, w.batches, w.rates

    def head(s: Array, y: Array) -> tuple[float, Array]:
        if w.plan.loss.name == "hinge":
            margin = 1.0 - y * s
            return float(np.maximum(margin, 0.0).mean()), np.where(margin > 0.0, -y, 0.0) / len(s)
        if w.plan.loss.name == "binary_cross_entropy":
            loss = np.maximum(s, 0.0) - y * s + np.log1p(np.exp(-np.abs(s)))
            return float(loss.mean()), (1.0 / (1.0 + np.exp(-s)) - y) / len(s)
        shifted = s - s.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(axis=1, keepdims=True)
        return float((np.log(total)[:, 0] - (shifted * y).sum(axis=1)).mean()), (powers / total - y) / len(s)

    def train() -> list[float]:
        parameters = [part for pair in w.weights for part in pair]
        moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        losses: list[float] = []
        for rate, epoch in zip(rates, batches, strict=True):
            for rows in epoch:
                whole = w.plan.batch_size is None
                values = [x_all if whole else x_all[rows]]
                for i in range(0, len(parameters), 2):
                    z = values[-1] @ parameters[i].T + parameters[i + 1]
                    last = i == len(parameters) - 2
                    values.append(z if last else np.maximum(z, 0.0) if w.activation == "relu" else np.tanh(z))
                loss, slope = head(values[-1], y_all if whole else y_all[rows])
                losses.append(loss)
                gradients: list[Array] = []
                for i in range(len(parameters) - 2, -1, -2):
                    below = values[i // 2]
                    gradients[:0] = [slope.T @ below, slope.sum(axis=0)]
                    if i:
                        slope = slope @ parameters[i]
                        slope = slope * (below > 0.0 if w.activation == "relu" else 1.0 - below * below)
                _step(w, zip(parameters, gradients, moments, strict=True), rate, len(losses))
                if len(losses) == w.steps:
                    return losses
        return losses

    return train


def _step(
    w: Workload, slots: Iterable[tuple[Array, Array, tuple[Array, Array]]], rate: float, t: int
) -> None:
    """Moves each parameter in place, given its gradient and its two moments."""
    knobs = w.plan.optimizer.knobs
    for parameter, g, (mean, square) in slots:
        if w.plan.optimizer.name == "sgd":
            np.subtract(parameter, rate * (g + knobs["weight_decay"] * parameter), out=parameter)
            continue
        first, second = knobs["betas"]
        np.add(first * mean, (1 - first) * g, out=mean)
        np.add(second * square, (1 - second) * g * g, out=square)
        scale = np.sqrt(square / (1 - second**t)) + knobs["eps"]
        np.subtract(parameter, rate * (mean / (1 - first**t)) / scale, out=parameter)


def sklearn_peer(w: Workload) -> Train:
    """MLPClassifier, its own first parameters and shuffles."""
    from sklearn.neural_network import MLPClassifier

    rows = w.plan.train
    knobs = w.plan.optimizer.knobs

    def train() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MLPClassifier(
                hidden_layer_sizes=w.sizes[1:-1], activation=w.activation, solver=w.plan.optimizer.name,
                alpha=knobs["weight_decay"] / 2, batch_size=w.plan.rows_per_step,
                learning_rate_init=min(knobs["learning_rate"], 0.1), max_iter=w.plan.epochs, tol=0.0,
                n_iter_no_change=10**9, momentum=0.0, nesterovs_momentum=False, random_state=0,
            ).fit(rows.x, rows.labels)  # fmt: skip

    return train


def torch_peer(w: Workload) -> Train:  # noqa: C901 - as above
    """PyTorch eager with the fused optimizer, one thread."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    rows = w.plan.train
    many = w.sizes[-1] > 1
    x_all, y_all = (
        torch.tensor(rows.x),
        torch.tensor(rows.labels.astype(np.int64) if many else rows.targets[:, 0]),
    )
    batches, rates, knobs = [[torch.tensor(b) for b in e] for e in w.batches], w.rates, w.plan.optimizer.knobs

    def network() -> Any:
        layers: list[Any] = []
        for i, (weight, bias) in enumerate(w.weights):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(weight))
                linear.bias.copy_(torch.tensor(bias))
            layers.append(linear)
            if i < len(w.sizes) - 2:
                layers.append(torch.nn.ReLU() if w.activation == "relu" else torch.nn.Tanh())
        return torch.nn.Sequential(*layers)

    def loss_of(s: Any, y: Any) -> Any:
        if many:
            return functional.cross_entropy(s, y)
        if w.plan.loss.name == "hinge":
            return torch.relu(1 - y * s[:, 0]).mean()
        return functional.binary_cross_entropy_with_logits(s[:, 0], y)

    def train() -> list[float]:
        net, losses = network(), []
        if w.plan.optimizer.name == "sgd":
            optimizer: Any = torch.optim.SGD(
                net.parameters(), lr=1.0, weight_decay=knobs["weight_decay"], fused=True
            )
        else:
            optimizer = torch.optim.Adam(net.parameters(), lr=1.0, fused=True)
        for rate, epoch in zip(rates, batches, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            for rows in epoch:
                whole = w.plan.batch_size is None
                optimizer.zero_grad()
                loss = loss_of(net(x_all if whole else x_all[rows]), y_all if whole else y_all[rows])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
                if len(losses) == w.steps:
                    return [float(loss) for loss in losses]
        return [float(loss) for loss in losses]

    return train


def jax_peer(w: Workload) -> Train:  # noqa: C901 - as above
    """JAX: the whole training in one jitted scan."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - its own interface
    rows, size, knobs = w.plan.train, w.plan.rows_per_step, w.plan.optimizer.knobs
    x_all, y_all = jnp.asarray(rows.x), jnp.asarray(rows.targets)
    whole = w.plan.steps_per_epoch * size == len(rows) or w.plan.batch_size is None
    order = jnp.asarray(np.array([np.concatenate(epoch) for epoch in w.batches]))
    full = len(rows) // size

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        for i, (weight, bias) in enumerate(parameters):
            x = x @ weight.T + bias
            if i < len(parameters) - 1:
                x = jnp.maximum(x, 0.0) if w.activation == "relu" else jnp.tanh(x)
        if w.plan.loss.name == "hinge":
            return jnp.maximum(1 - y * x, 0.0).mean()
        if w.plan.loss.name == "binary_cross_entropy":
            return (jax.nn.softplus(x) - y * x).mean()
        return (jax.nn.logsumexp(x, axis=1) - (x * y).sum(axis=1)).mean()

    slope = jax.value_and_grad(loss_of)

    def step(state: Any, x: Any, y: Any, rate: Any) -> Any:
        parameters, first, second, t = state
        loss, gradient = slope(parameters, x, y)
        if w.plan.optimizer.name == "sgd":
            decay = knobs["weight_decay"]
            parameters = jax.tree.map(lambda p, g: p - rate * (g + decay * p), parameters, gradient)
            return (parameters, first, second, t + 1), loss
        b1, b2 = knobs["betas"]
        c1, c2 = 1 - b1 ** (t + 1.0), 1 - b2 ** (t + 1.0)
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradient)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + knobs["eps"]), parameters, first, second
        )
        return (parameters, first, second, t + 1), loss

    def epoch(state: Any, given: Any) -> Any:
        rows, rate = given
        if w.plan.batch_size is None:
            state, loss = step(state, x_all, y_all, rate)
            return state, loss[None]
        turns = rows[: full * size].reshape(full, size)
        state, losses = jax.lax.scan(lambda s, i: step(s, x_all[i], y_all[i], rate), state, turns)
        if not whole:
            state, last = step(state, x_all[rows[full * size :]], y_all[rows[full * size :]], rate)
            losses = jnp.append(losses, last)
        return state, losses

    @jax.jit
    def run(parameters: Any, order: Any, rates: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return jax.lax.scan(epoch, (parameters, zeros, zeros, 0), (order, rates))[1]

    start, rates = [tuple(map(jnp.asarray, pair)) for pair in w.weights], jnp.asarray(w.rates)

    def train() -> list[float]:
        losses: list[float] = np.asarray(jax.block_until_ready(run(start, order, rates))).ravel().tolist()
        return losses

    return train


def micrograd_peer(w: Workload, steps: int) -> Train:
    """The micrograd package, as its demo uses it, for a few steps."""
    from micrograd.engine import Value
    from micrograd.nn import MLP

    rows, knobs = w.plan.train, w.plan.optimizer.knobs
    batches = [(rate, batch) for rate, epoch in zip(w.rates, w.batches, strict=True) for batch in epoch][
        :steps
    ]

    def train() -> list[float]:
        random.seed(0)
        net, losses = MLP(w.sizes[0], w.sizes[1:]), []
        for layer, (weights, biases) in zip(net.layers, w.weights, strict=True):
            for neuron, row, bias in zip(layer.neurons, weights, biases, strict=True):
                neuron.b.data = float(bias)
                for value, number in zip(neuron.w, row, strict=True):
                    value.data = float(number)
        for rate, batch in batches:
            scores = [net([Value(float(v)) for v in rows.x[i]]) for i in batch]
            terms = [(1 + -float(rows.targets[i, 0]) * s).relu() for i, s in zip(batch, scores, strict=True)]
            loss = sum(terms) * (1.0 / len(terms))
            net.zero_grad()
            loss.backward()
            for p in net.parameters():
                p.data -= rate * (p.grad + knobs["weight_decay"] * p.data)
            losses.append(loss.data)
        return losses

    return train


def available(*modules: str) -> bool:
    """Whether a peer is installed."""
    return all(importlib.util.find_spec(module) is not None for module in modules)
