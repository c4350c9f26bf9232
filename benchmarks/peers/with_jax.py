"""JAX: the whole training in one jitted scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import Train
from benchmarks.workloads import Workload

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - its own interface


def _loss(workload: Workload) -> Callable[[Any, Any, Any], Any]:
    def loss(parameters: Any, x: Any, y: Any) -> Any:
        for i, (weight, bias) in enumerate(parameters):
            x = x @ weight.T + bias
            if i < len(parameters) - 1:
                x = jnp.maximum(x, 0.0) if workload.activation == "relu" else jnp.tanh(x)
        if workload.plan.loss.name == "hinge":
            return jnp.maximum(1 - y * x, 0.0).mean()
        if workload.plan.loss.name == "binary_cross_entropy":
            return (jax.nn.softplus(x) - y * x).mean()
        return (jax.nn.logsumexp(x, axis=1) - (x * y).sum(axis=1)).mean()

    return loss


def _update(workload: Workload) -> Callable[[Any, Any, Any], Any]:
    """(parameters, first, second, t), their gradient and the rate to the next four."""
    knobs = workload.plan.optimizer.knobs

    def sgd(state: Any, gradient: Any, rate: Any) -> Any:
        parameters, first, second, t = state
        decay = knobs["weight_decay"]
        parameters = jax.tree.map(lambda p, g: p - rate * (g + decay * p), parameters, gradient)
        return parameters, first, second, t + 1

    def adam(state: Any, gradient: Any, rate: Any) -> Any:
        parameters, first, second, t = state
        b1, b2 = knobs["betas"]
        c1, c2 = 1 - b1 ** (t + 1.0), 1 - b2 ** (t + 1.0)
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradient)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + knobs["eps"]), parameters, first, second
        )
        return parameters, first, second, t + 1

    return sgd if workload.plan.optimizer.name == "sgd" else adam


def _epoch(workload: Workload) -> Callable[[Any, Any], Any]:
    """The body of a scan over epochs: itself a scan over batches, and the odd one at the end."""
    plan, size = workload.plan, workload.plan.rows_per_step
    x, y = jnp.asarray(plan.train.x), jnp.asarray(plan.train.targets)
    slope, update, full = jax.value_and_grad(_loss(workload)), _update(workload), len(plan.train) // size

    def step(state: Any, rows: Any, targets: Any, rate: Any) -> Any:
        loss, gradient = slope(state[0], rows, targets)
        return update(state, gradient, rate), loss

    def epoch(state: Any, given: Any) -> Any:
        order, rate = given
        if plan.batch_size is None:
            state, loss = step(state, x, y, rate)
            return state, loss[None]
        turns = order[: full * size].reshape(full, size)
        state, losses = jax.lax.scan(lambda s, rows: step(s, x[rows], y[rows], rate), state, turns)
        if full * size < len(plan.train):
            rest = order[full * size :]
            state, last = step(state, x[rest], y[rest], rate)
            losses = jnp.append(losses, last)
        return state, losses

    return epoch


def trainer(workload: Workload) -> Train:
    """JAX's training, compiled when it is first called."""
    epoch = _epoch(workload)

    def whole(parameters: Any, order: Any, rates: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return jax.lax.scan(epoch, (parameters, zeros, zeros, 0), (order, rates))[1]

    run = jax.jit(whole)
    order = jnp.asarray(np.array([np.concatenate(batches) for batches in workload.batches]))
    start, rates = [tuple(map(jnp.asarray, pair)) for pair in workload.weights], jnp.asarray(workload.rates)

    def train() -> list[float]:
        losses: list[float] = np.asarray(jax.block_until_ready(run(start, order, rates))).ravel().tolist()
        return losses

    return train
