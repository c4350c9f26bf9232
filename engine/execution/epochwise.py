"""What executors share that walk through their epochs in Python: the loop, and where a training stands."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from engine.execution.plan import Array, Plan, Progress, State, watched_value
from engine.execution.tally import Tally


class Stepped(NamedTuple):
    """What a step tells: scores and loss before its update, the gradient's norm before clipping."""

    scores: Array
    loss: float
    norm: float


class EpochwiseExecutor(ABC):
    """An executor of which the steps are to be written."""

    _plan: Plan
    _state: State

    @property
    def state(self) -> State:
        """Where the training stands."""
        return self._state

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._state.epoch

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, 0 before any."""
        return self._state.best_epoch

    def run(self, epochs: int) -> Progress:
        """Trains up to `epochs` epochs more."""
        rows: list[list[float]] = []
        with self._computing():
            while len(rows) < epochs and not self._state.is_over(self._plan):
                row = self._epoch()
                if not all(math.isfinite(row[name]) for name in row if name.endswith("_loss")):
                    return Progress(self._matrix(rows), self._state.epoch)
                self._state = self._state.observe(self._plan, watched_value(self._plan, row))
                rows.append([row[name] for name in self._plan.columns])
        return Progress(self._matrix(rows))

    def partway(self, steps: int) -> State:
        """The state `steps` steps into the next epoch; the executor is left there."""
        plan, epoch = self._plan, self._state.epoch
        with self._computing():
            for k, batch in enumerate(islice(plan.batches(epoch), steps)):
                self._step(batch, epoch * plan.steps_per_epoch + k, plan.learning_rate(epoch))
        return self._state

    def _epoch(self) -> dict[str, float]:
        """One epoch; the history's row for it."""
        plan, epoch = self._plan, self._state.epoch
        tally, norms, rate = Tally(plan, plan.train), 0.0, plan.learning_rate(epoch)
        for k, batch in enumerate(plan.batches(epoch)):
            scores, loss, norm = self._step(batch, epoch * plan.steps_per_epoch + k, rate)
            tally.add(batch, scores, loss)
            norms += norm
        self._state = replace(self._state, epoch=epoch + 1)
        measured = tally.columns() + self._validation_columns()
        return dict(zip(plan.columns, [*measured, rate, norms / plan.steps_per_epoch], strict=True))

    def _matrix(self, rows: list[list[float]]) -> Array:
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._plan.columns))

    @abstractmethod
    def _computing(self) -> AbstractContextManager[Any]:
        """How Python and NumPy are set while steps are taken."""

    @abstractmethod
    def _step(self, batch: Any, step: int, rate: float) -> Stepped:
        """Takes one step: the state's parameters and moments are new, its epoch is not."""

    @abstractmethod
    def _validation_columns(self) -> list[float]:
        """Loss and metrics of the validation rows as they stand; none without such rows."""
