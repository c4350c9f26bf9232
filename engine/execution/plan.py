"""What an executor must know of a training: resolved numbers only, no names of columns, no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.nn.losses import Loss
from engine.nn.optimizers import OPTIMIZERS
from engine.nn.schedules import SCHEDULES, learning_rate_factor
from engine.randomness import permutation, stream_key, uniforms
from engine.spec.objects import Choice
from engine.spec.sections import EarlyStopping

Array = NDArray[np.float64]

SHUFFLE_STREAM = 2
DROPOUT_STREAM = 3

ARITHMETIC_SCHEDULES = ("constant", "linear")
"""Schedules of + − · / alone: on an array of epochs they give the bits that they give on each."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer: `inputs` → `units`, its activation, and the share of its outputs dropped in training."""

    inputs: int
    units: int
    activation: str
    dropout: float = 0.0

    @property
    def parameter_count(self) -> int:
        """Weights and biases."""
        return (self.inputs + 1) * self.units


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows.

    `x` (rows, inputs); `targets` (rows, outputs), what the loss compares scores with; `labels` (rows,),
    the class's position or the number itself; `weights` (rows,) of mean 1, or None for all 1. `scale` is
    the size of one unit of a regression's scores in the target's own unit.
    """

    x: Array
    targets: Array
    labels: Array
    weights: Array | None = None
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class Plan:
    """A training in numbers."""

    layers: tuple[LayerPlan, ...]
    task: str
    loss: Loss
    optimizer: Choice
    schedule: Choice
    epochs: int
    batch_size: int | None
    seed: int
    precision: str
    early_stopping: EarlyStopping | None
    train: Rows
    validation: Rows | None

    @property
    def parameter_count(self) -> int:
        """The length of the flat parameter vector: layer by layer, weights (units, inputs), then biases."""
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def rows_per_step(self) -> int:
        """Rows of a full step."""
        return min(self.batch_size or len(self.train), len(self.train))

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch, the last one perhaps with fewer rows."""
        return -(-len(self.train) // self.rows_per_step)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics of each split besides the loss."""
        return ("r2", "mae", "rmse") if self.task == "regression" else ("accuracy",)

    @property
    def columns(self) -> tuple[str, ...]:
        """The history's columns, one value an epoch each."""
        splits = ("train", "val") if self.validation else ("train",)
        measured = tuple(f"{split}_{name}" for split in splits for name in ("loss", *self.metric_names))
        return (*measured, "learning_rate", "grad_norm")

    def is_over(self, epoch: int, best_epoch: int) -> bool:
        """Whether the last epoch is done, or the metric has not got better for `patience` epochs."""
        stopping = self.early_stopping
        return epoch >= self.epochs or (stopping is not None and epoch - best_epoch >= stopping.patience)

    def learning_rate(self, epoch: int) -> float:
        """The learning rate in `epoch`, counted from 0."""
        base: float = self.optimizer["learning_rate"]
        return base * learning_rate_factor(self.schedule.name, self.schedule.knobs, epoch, self.epochs)

    def learning_rates(self, first: int, last: int) -> Array:
        """The learning rates of the epochs from `first` to `last`, at once where that gives the same bits."""
        base, knobs = float(self.optimizer["learning_rate"]), self.schedule.knobs
        warmup = int(knobs.get("warmup_epochs", 0))
        if self.schedule.name in ARITHMETIC_SCHEDULES and first >= warmup:
            schedule: Any = SCHEDULES.get(self.schedule.name)
            factors = schedule(np.arange(first, last) - warmup, max(self.epochs - warmup, 1), knobs)
            return np.full(last - first, base * factors) if np.ndim(factors) == 0 else base * factors
        return np.array([self.learning_rate(epoch) for epoch in range(first, last)])

    def batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """The rows of each step of `epoch`: in order for the full batch, else shuffled by (seed, epoch)."""
        count = len(self.train)
        if self.batch_size is None:
            yield np.arange(count)
            return
        order = np.array(permutation(count, stream_key(self.seed, SHUFFLE_STREAM, epoch)), dtype=np.int64)
        for start in range(0, count, self.rows_per_step):
            yield order[start : start + self.rows_per_step]

    def dropout_mask(self, step: int, layer: int, rows: int) -> Array | None:
        """(rows, units): 0 for an output dropped in `step`, else 1/(1 − dropout); None without dropout."""
        plan = self.layers[layer]
        if not plan.dropout:
            return None
        drawn = uniforms(stream_key(self.seed, DROPOUT_STREAM, step, layer), rows * plan.units)
        mask: Array = (drawn >= plan.dropout).reshape(rows, plan.units) / (1.0 - plan.dropout)
        return mask


@dataclass(frozen=True, slots=True)
class Best:
    """The best epoch so far by the metric watched (`value`: smaller is better), and its parameters."""

    epoch: int
    value: float
    parameters: Array


@dataclass(frozen=True, slots=True)
class State:
    """Where a training stands after `epoch` epochs; all that a resume needs.

    `parameters` and each of `moments` (the optimizer's state, in its own order) are flat vectors.
    """

    epoch: int
    parameters: Array
    moments: tuple[Array, ...]
    best: Best | None = None

    @classmethod
    def initial(cls, plan: Plan, parameters: Array) -> State:
        """The state before the first epoch."""
        optimizer, knobs = OPTIMIZERS.get(plan.optimizer.name), plan.optimizer.knobs
        moments = tuple(np.full(len(parameters), optimizer.initial(knobs)) for _ in optimizer.state(knobs))
        return cls(0, parameters, moments)

    def observe(self, plan: Plan, value: float) -> State:
        """The state with this epoch noted as the best, if by `value` it is."""
        best, delta = self.best, plan.early_stopping.min_delta if plan.early_stopping else 0.0
        if value != value or (best is not None and not value < best.value - delta):
            return self
        return replace(self, best=Best(self.epoch, value, self.parameters.copy()))

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, 0 before any."""
        return self.best.epoch if self.best else 0

    def is_over(self, plan: Plan) -> bool:
        """Whether the plan is carried out."""
        return plan.is_over(self.epoch, self.best_epoch)


def watched_value(plan: Plan, row: dict[str, float]) -> float:
    """The metric that decides on the best epoch, turned so that smaller is better."""
    stopping = plan.early_stopping
    metric = stopping.metric if stopping else ("val_loss" if plan.validation else "train_loss")
    return row[metric] if metric.endswith("_loss") else -row[metric]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run of some epochs gave: `rows` (epochs run, columns of the plan), and the epoch, counted
    from 1, in which the loss stopped being finite (that epoch has no row)."""

    rows: Array
    diverged: int | None = None


class Executor(Protocol):
    """Carries out a plan. `numerics` names the arithmetic: only the same one resumes a job."""

    name: str
    numerics: str

    def __init__(self, plan: Plan, state: State) -> None: ...

    @property
    def state(self) -> State:
        """Where the training stands: all its numbers, which may have to be copied."""

    @property
    def epoch(self) -> int:
        """Epochs done: the state's, without a copy of its numbers."""

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, 0 before any: the state's too."""

    def run(self, epochs: int) -> Progress:
        """Trains up to `epochs` epochs more; fewer where the plan is over or the loss not finite."""

    def partway(self, steps: int) -> State:
        """The state `steps` steps into the next epoch, for a look at it; the executor goes no further."""


def unflatten(layers: tuple[LayerPlan, ...], flat: Array) -> list[tuple[Array, Array]]:
    """Views into a flat vector: for each layer its weights (units, inputs) and its biases (units,)."""
    views, start = [], 0
    for layer in layers:
        middle, end = start + layer.inputs * layer.units, start + layer.parameter_count
        views.append((flat[start:middle].reshape(layer.units, layer.inputs), flat[middle:end]))
        start = end
    return views
