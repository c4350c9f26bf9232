"""The NumPy executor: the same scalar functions over whole batches. Fast enough, and a third opinion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from engine.autograd.vectorized import Evaluation, Vectorized, vectorized
from engine.execution.epochwise import EpochwiseExecutor, Stepped
from engine.execution.plan import (
    Array,
    LayerPlan,
    Plan,
    Rows,
    State,
    unflatten,
)
from engine.execution.tally import Tally
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import Loss
from engine.nn.optimizers import OPTIMIZERS, Step, clip_factor

PREDICTION_ROWS = 8_192


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


@lru_cache(maxsize=64)
def _vectorized_loss(loss: Loss, outputs: int) -> Vectorized:
    """The loss over columns: one score and one target, or all of a row's scores and then its targets."""
    if not loss.rowwise:
        return vectorized(loss.function, 2)
    return Vectorized(lambda *v: loss.function(v[:outputs], v[outputs:]), 2 * outputs)


def forward(layers: tuple[LayerPlan, ...], parameters: Array, x: Array) -> Array:
    """(rows, inputs) → (rows, outputs): the scores, computed in chunks so that memory stays bounded."""
    views = unflatten(layers, parameters)

    def chunk(rows: Array) -> Array:
        for layer, (weights, biases) in zip(layers, views, strict=True):
            rows = vectorized(ACTIVATIONS.get(layer.activation), 1)(rows @ weights.T + biases).value
        return rows

    with _threads().limit(limits=1):
        chunks = [
            chunk(x[start : start + PREDICTION_ROWS]) for start in range(0, max(len(x), 1), PREDICTION_ROWS)
        ]
    return np.concatenate(chunks)


class BatchLoss:
    """A loss over (rows, outputs) scores and targets: its mean, and the slope of the mean by each score."""

    def __init__(self, loss: Loss, scores: Array, targets: Array, weights: Array | None) -> None:
        self._loss, self._shape = loss, scores.shape
        function = _vectorized_loss(loss, scores.shape[1])
        if loss.rowwise:
            self._evaluation = function(*scores.T, *targets.T)
        else:
            self._evaluation = function(scores, targets)
        divisor = scores.size if loss.mean == "elements" else len(scores)
        self._weights: Any = (1.0 if weights is None else weights) / divisor

    @property
    def rows(self) -> Array:
        """(rows,): each row's loss, unweighted, summed over its outputs."""
        value = np.broadcast_to(
            self._evaluation.value, self._shape[:1] if self._loss.rowwise else self._shape
        )
        return value if value.ndim == 1 else value.sum(axis=1)

    @property
    def mean(self) -> float:
        """The batch's loss."""
        return float((self.rows * self._weights).sum())

    def slopes(self) -> Array:
        """(rows, outputs): ∂mean/∂score."""
        outputs = self._shape[1]
        if self._loss.rowwise:
            return np.column_stack(self._evaluation.gradients(self._weights, range(outputs)))
        weights: Any = self._weights if np.ndim(self._weights) == 0 else self._weights[:, None]
        return np.broadcast_to(self._evaluation.gradients(weights, [0])[0], self._shape)


class ArrayExecutor(EpochwiseExecutor):
    """Trains with NumPy, one thread."""

    name = "arrays"
    numerics = "arrays-3"

    def __init__(self, plan: Plan, state: State) -> None:
        self._plan, self._dtype = plan, np.dtype(plan.precision)
        self._train, self._validation = self._cast(plan.train), self._cast(plan.validation)
        self._state = replace(
            state,
            parameters=state.parameters.astype(self._dtype),
            moments=tuple(moment.astype(self._dtype) for moment in state.moments),
        )
        self._gradient = np.zeros(plan.parameter_count, self._dtype)
        self._gradient_views = unflatten(plan.layers, self._gradient)

    def _cast(self, rows: Any) -> Any:
        if rows is None:
            return None
        weights = None if rows.weights is None else rows.weights.astype(self._dtype)
        return replace(
            rows, x=rows.x.astype(self._dtype), targets=rows.targets.astype(self._dtype), weights=weights
        )

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with np.errstate(all="ignore"), _threads().limit(limits=1):  # Progress tells of a loss that overflows
            yield

    def _step(self, batch: Any, step: int, rate: float) -> Stepped:
        scores, loss = self._gradients(batch, step)
        return Stepped(scores, loss, self._update(step, rate))

    def _gradients(self, batch: Any, step: int) -> tuple[Array, float]:
        """Fills the gradient of one step's loss; returns the scores and the loss before the update."""
        rows, layers = self._train, self._plan.layers
        views = unflatten(layers, self._state.parameters)
        inputs, evaluations, masks = [rows.x[batch]], [], []
        for i, (layer, (weights, biases)) in enumerate(zip(layers, views, strict=True)):
            evaluation = vectorized(ACTIVATIONS.get(layer.activation), 1)(inputs[-1] @ weights.T + biases)
            mask = self._plan.dropout_mask(step, i, len(batch))
            evaluations.append(evaluation)
            masks.append(mask)
            inputs.append(evaluation.value if mask is None else (evaluation.value * mask).astype(self._dtype))
        scores = inputs.pop()
        loss = BatchLoss(
            self._plan.loss,
            scores,
            rows.targets[batch],
            None if rows.weights is None else rows.weights[batch],
        )
        self._backward(loss.slopes(), inputs, evaluations, masks)
        return scores, loss.mean

    def _backward(
        self, slopes: Array, inputs: list[Array], evaluations: list[Evaluation], masks: list[Array | None]
    ) -> None:
        views = unflatten(self._plan.layers, self._state.parameters)
        for i in range(len(inputs) - 1, -1, -1):
            mask, (weights, _) = masks[i], views[i]
            slopes = evaluations[i].gradients(slopes if mask is None else slopes * mask)[0]
            weight_gradient, bias_gradient = self._gradient_views[i]
            np.matmul(slopes.T, inputs[i], out=weight_gradient, casting="same_kind")
            bias_gradient[:] = slopes.sum(axis=0)
            if i:
                slopes = slopes @ weights

    def _update(self, step: int, rate: float) -> float:
        """Moves the parameters; returns the gradient's norm before clipping."""
        choice, gradient = self._plan.optimizer, self._gradient
        norm = math.sqrt(float(gradient @ gradient))
        factor = clip_factor(norm, choice["clip_norm"])
        if factor < 1.0:
            gradient = gradient * factor
        optimizer = OPTIMIZERS.get(choice.name)
        corrections = optimizer.corrections(choice.knobs, step + 1)
        parameters, moments = optimizer.update(
            self._state.parameters, gradient, self._state.moments, Step(rate, choice.knobs, corrections)
        )
        self._state = replace(self._state, parameters=parameters, moments=moments)
        return norm

    def _validation_columns(self) -> list[float]:
        rows: Rows | None = self._validation
        if rows is None or self._plan.validation is None:
            return []
        scores = forward(self._plan.layers, self._state.parameters, rows.x)
        tally = Tally(self._plan, self._plan.validation)
        tally.add(slice(None), scores, BatchLoss(self._plan.loss, scores, rows.targets, rows.weights).mean)
        return tally.columns()


def allocated_by_arrays(plan: Plan) -> int:
    """What NumPy allocates for a plan, at most: the rows once more, and for every row of a batch the sums,
    outputs and slopes of each layer with what an activation's formula takes on the way."""
    rows = len(plan.train) + (len(plan.validation) if plan.validation else 0)
    widths = sum(layer.inputs + layer.units for layer in plan.layers)
    numbers = rows * (plan.layers[0].inputs + 2 * plan.layers[-1].units + 2)
    return 8 * (numbers + 8 * widths * plan.rows_per_step + 6 * plan.parameter_count)
