"""One step of a training, looked at closely: recomputed from the snapshot before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.autograd.vectorized import vectorized
from engine.data.table import Table
from engine.errors import BadData
from engine.execution.arrays import ArrayExecutor, BatchLoss
from engine.execution.choice import make_executor
from engine.execution.plan import Plan, State, unflatten
from engine.inside.nodes import finite
from engine.nn.activations import ACTIVATIONS
from engine.spec.sections import TrainingSpec
from engine.training.preparation import prepare
from engine.training.snapshots import Snapshots

Array = NDArray[np.float64]
SATURATED = 0.01  # of an activation's steepest slope: below it on every row a unit learns next to nothing


@dataclass(frozen=True, slots=True)
class StepView:
    """Step `step`, counted from 1: the parameters before it, the gradient, and the update applied.

    `exact` says whether the update has the very bits of the training. The job's own executor gives whole
    epochs; steps inside an epoch of several are taken with NumPy, which agrees to rounding.
    """

    step: int
    epoch: int
    learning_rate: float
    loss: float
    exact: bool
    parameters: Array
    gradient: Array
    update: Array
    layers: list[dict[str, Any]]
    rows: list[dict[str, Any]]

    def to_document(self) -> dict[str, Any]:
        """As JSON; the three vectors are flat: layer by layer, weights (units, inputs), then biases."""
        vectors = {"parameters": self.parameters, "gradients": self.gradient, "update": self.update}
        return {
            "step": self.step,
            "epoch": self.epoch,
            "learning_rate": self.learning_rate,
            "loss": finite(self.loss),
            "exact": self.exact,
            **{name: [finite(x) for x in vector.tolist()] for name, vector in vectors.items()},
            "layers": self.layers,
            "rows": self.rows,
        }


class Replay:
    """A training that can be entered at any step; `executor` is the one that trained."""

    def __init__(
        self, spec: TrainingSpec, table: Table, validation: Table | None, executor: str | None
    ) -> None:
        self._prepared = prepare(spec, table, validation)
        # Without patience: a snapshot does not hold the best epoch, and the way is known to go on.
        self._plan = replace(self._prepared.plan, early_stopping=None)
        self._executor = executor

    @property
    def steps(self) -> int:
        """Steps of the whole training, if nothing ends it early."""
        return self._plan.epochs * self._plan.steps_per_epoch

    def epoch_of(self, step: int) -> int:
        """Epochs done before a step."""
        return (step - 1) // self._plan.steps_per_epoch

    def look(self, snapshots: Snapshots, step: int) -> StepView:
        """One step; `snapshots` must hold one from before it. Raises BadData where there is none."""
        epoch = self.epoch_of(step)
        state = self._state_at(snapshots, epoch)
        within = (step - 1) % self._plan.steps_per_epoch
        walker = _Walker(self._plan, state)
        batches = list(self._plan.batches(epoch))
        for k in range(within):
            walker.take(batches[k], epoch * self._plan.steps_per_epoch + k)
        view = walker.look(batches[within], step, epoch)
        if self._plan.steps_per_epoch > 1:
            return view
        after = self._state_at(snapshots, epoch + 1)
        update = after.parameters.astype(np.float64) - view.parameters
        return replace(view, update=update, exact=True, layers=_with_update(view.layers, self._plan, update))

    def _state_at(self, snapshots: Snapshots, epoch: int) -> State:
        """The state after an epoch, trained again from the last snapshot up to it."""
        known = [i for i, taken in enumerate(snapshots.epochs) if taken <= epoch]
        if not known:
            detail = f"no snapshot up to epoch {epoch} is kept"
            raise BadData.because(detail, pointer="/step", code="not_recorded")
        state = snapshots.state(known[-1])
        executor = make_executor(self._plan, state, self._executor)
        if executor.numerics != snapshots.numerics:
            detail = f"the training ran with {snapshots.numerics}, this machine has {executor.numerics}"
            raise BadData.because(detail, pointer="/step", code="wrong_numerics")
        executor.run(epoch - state.epoch)
        return executor.state


class _Walker(ArrayExecutor):
    """Takes single steps, and shows what goes on in one."""

    def take(self, batch: NDArray[np.int64], step: int) -> float:
        """Moves the parameters by one step (counted from 0); returns its loss."""
        _, loss = self._gradients(batch, step)
        self._update(step, self._plan.learning_rate(self._state.epoch))
        return loss

    def look(self, batch: NDArray[np.int64], step: int, epoch: int) -> StepView:
        """The step as a view, the parameters moved."""
        before = self._state.parameters.astype(np.float64)
        with np.errstate(all="ignore"):
            loss = self.take(batch, step - 1)
        gradient = self._gradient.astype(np.float64)
        update = self._state.parameters.astype(np.float64) - before
        layers = list(_layer_views(self._plan, before, gradient, batch))
        return StepView(
            step=step,
            epoch=epoch + 1,
            learning_rate=self._plan.learning_rate(epoch),
            loss=loss,
            exact=False,
            parameters=before,
            gradient=gradient,
            update=update,
            layers=_with_update(layers, self._plan, update),
            rows=_row_views(self._plan, before, batch),
        )


def _layer_views(
    plan: Plan, parameters: Array, gradient: Array, batch: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    """For each layer the norms, and which units are dead or saturated on the whole batch."""
    gradients = unflatten(plan.layers, gradient)
    signal = plan.train.x[batch]
    for i, (layer, (weights, biases)) in enumerate(
        zip(plan.layers, unflatten(plan.layers, parameters), strict=True)
    ):
        with np.errstate(all="ignore"):
            done = vectorized(ACTIVATIONS.get(layer.activation), 1)(signal @ weights.T + biases)
            slopes = np.abs(done.gradients(np.ones_like(done.value))[0])
        signal = done.value
        dead = ~slopes.any(axis=0)
        saturated = (slopes < SATURATED).all(axis=0) & ~dead
        yield {
            "layer": f"L{i + 1}",
            "activation": layer.activation,
            "parameter_norm": finite(_norm(weights, biases)),
            "gradient_norm": finite(_norm(*gradients[i])),
            "dead_units": (np.flatnonzero(dead) + 1).tolist(),
            "saturated_units": (np.flatnonzero(saturated) + 1).tolist(),
        }


def _with_update(layers: list[dict[str, Any]], plan: Plan, update: Array) -> list[dict[str, Any]]:
    moved = unflatten(plan.layers, update)
    return [{**view, "update_norm": finite(_norm(*parts))} for view, parts in zip(layers, moved, strict=True)]


def _norm(*parts: Array) -> float:
    return float(np.sqrt(sum(float((part**2).sum()) for part in parts)))


def _row_views(plan: Plan, parameters: Array, batch: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The batch's rows, by their position among the training rows, with their losses before the step."""
    signal = plan.train.x[batch]
    with np.errstate(all="ignore"):
        for layer, (weights, biases) in zip(plan.layers, unflatten(plan.layers, parameters), strict=True):
            signal = vectorized(ACTIVATIONS.get(layer.activation), 1)(signal @ weights.T + biases).value
        losses = BatchLoss(plan.loss, signal, plan.train.targets[batch], None).rows
    return [{"row": int(row), "loss": finite(float(loss))} for row, loss in zip(batch, losses, strict=True)]
