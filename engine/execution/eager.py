"""The eager executor: walks Values, one row after the other. Slow and obviously right: the judge."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce

import numpy as np

from engine.autograd.value import Value
from engine.execution.epochwise import EpochwiseExecutor, Stepped
from engine.execution.plan import Array, LayerPlan, Plan, Rows, State
from engine.execution.tally import Tally
from engine.nn.losses import Loss
from engine.nn.modules import Layer
from engine.nn.optimizers import OPTIMIZERS, Step, clip_factor


class EagerNetwork:
    """Layers of neurons, their parameters in the flat order of a plan."""

    def __init__(self, layers: tuple[LayerPlan, ...], parameters: Array) -> None:
        self.layers = [Layer(plan.inputs, plan.units, plan.activation) for plan in layers]
        self.flat = [
            value
            for layer in self.layers
            for value in (*(w for neuron in layer.neurons for w in neuron.w), *(n.b for n in layer.neurons))
        ]
        self.set(parameters.tolist())

    def set(self, parameters: list[float]) -> None:
        """Gives every parameter its number and forgets the gradients."""
        for value, number in zip(self.flat, parameters, strict=True):
            value.data, value.grad = number, 0.0

    def scores(self, row: list[float], masks: list[list[float] | None] | None = None) -> list[Value]:
        """The output units' values for one row; `masks` multiply each layer's outputs."""
        values: list[Value] = [Value(x) for x in row]
        for i, layer in enumerate(self.layers):
            values = layer.outputs(values)
            mask = masks[i] if masks else None
            if mask is not None:
                values = [value * factor for value, factor in zip(values, mask, strict=True)]
        return values


def row_loss(loss: Loss, scores: list[Value], targets: list[float]) -> Value:
    """One row's loss: of all its scores, or summed over them."""
    wanted = [Value(y) for y in targets]
    if loss.rowwise:
        return loss.function(scores, wanted)
    return reduce(Value.add, map(loss.function, scores, wanted))


def mean_loss(loss: Loss, scores: list[list[Value]], rows: Rows, batch: list[int]) -> Value:
    """The weighted mean over a batch, of rows or of elements as the loss has it."""
    total = Value(0.0)
    for values, i in zip(scores, batch, strict=True):
        term = row_loss(loss, values, rows.targets[i].tolist())
        total = total + (term if rows.weights is None else term * float(rows.weights[i]))
    return total / (len(batch) * (len(scores[0]) if loss.mean == "elements" else 1))


class EagerExecutor(EpochwiseExecutor):
    """Trains by building the expression graph of every step and walking it backward."""

    name = "eager"
    numerics = "eager-3"

    def __init__(self, plan: Plan, state: State) -> None:
        self._plan, self._state = plan, state
        self._network = EagerNetwork(plan.layers, state.parameters)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with np.errstate(all="ignore"), _collector_paused():  # Progress tells of a loss that overflows
            yield

    def _step(self, batch: Array, step: int, rate: float) -> Stepped:
        rows = batch.tolist()
        scores = self._batch_scores(self._plan.train, rows, step)
        loss = mean_loss(self._plan.loss, scores, self._plan.train, rows)
        loss.backward()
        return Stepped(_numbers(scores), loss.data, self._update(step, rate))

    def _batch_scores(self, rows: Rows, batch: list[int], step: int) -> list[list[Value]]:
        masks = [self._plan.dropout_mask(step, i, len(batch)) for i in range(len(self._plan.layers))]
        return [
            self._network.scores(rows.x[i].tolist(), [None if m is None else m[k].tolist() for m in masks])
            for k, i in enumerate(batch)
        ]

    def _update(self, step: int, rate: float) -> float:
        choice = self._plan.optimizer
        gradient = [value.grad for value in self._network.flat]
        norm = math.sqrt(sum(g * g for g in gradient))
        shrink = clip_factor(norm, choice["clip_norm"])
        optimizer = OPTIMIZERS.get(choice.name)
        known = Step(rate, choice.knobs, optimizer.corrections(choice.knobs, step + 1))
        parameters, moments = [], []
        for i, (value, g) in enumerate(zip(self._network.flat, gradient, strict=True)):
            state = tuple(float(moment[i]) for moment in self._state.moments)
            moved, state = optimizer.update(value.data, g * shrink, state, known)
            parameters.append(moved)
            moments.append(state)
        self._network.set(parameters)
        columns = tuple(np.array(column) for column in zip(*moments, strict=True))
        self._state = replace(self._state, parameters=np.array(parameters), moments=columns)
        return norm

    def _validation_columns(self) -> list[float]:
        rows = self._plan.validation
        if rows is None:
            return []
        scores = [self._network.scores(row) for row in rows.x.tolist()]
        tally = Tally(self._plan, rows)
        loss = mean_loss(self._plan.loss, scores, rows, list(range(len(rows))))
        tally.add(slice(None), _numbers(scores), loss.data)
        return tally.columns()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection: a graph of Values has no cycles, and the search costs more than the step."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _numbers(scores: list[list[Value]]) -> Array:
    return np.array([[value.data for value in row] for row in scores])
