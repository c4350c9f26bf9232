"""One step of a training, looked at closely: recomputed from the snapshot before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.autograd.vectorized import vectorized
from engine.data.table import Table
from engine.errors import BadData
from engine.execution.arrays import ArrayExecutor, BatchLoss
from engine.execution.choice import make_executor
from engine.execution.plan import Plan, State, unflatten
from engine.inside.graphs.nodes import finite
from engine.nn.activations import ACTIVATIONS
from engine.spec.sections import TrainingSpec
from engine.training.preparation import prepare
from engine.training.records.snapshots import Snapshots

Array = NDArray[np.float64]
SATURATED = 0.01  # of an activation's steepest slope: below it on every row a unit learns next to nothing


@dataclass(frozen=True, slots=True)
class StepView:
    """Step `step`, counted from 1: the parameters before it, the gradient, and the update applied.

    Parameters and update have the bits of the training: the job's own executor takes the steps again. The
    gradient and the losses, which only lead to them, are computed with NumPy and agree to rounding.
    """

    step: int
    epoch: int
    steps_per_epoch: int
    learning_rate: float
    loss: float
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
            "steps_per_epoch": self.steps_per_epoch,
            "learning_rate": self.learning_rate,
            "loss": finite(self.loss),
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
        epoch, within = self.epoch_of(step), (step - 1) % self._plan.steps_per_epoch
        before = self._state_at(snapshots, epoch, within)
        after = self._state_at(snapshots, epoch, within + 1)
        batch = next(islice(self._plan.batches(epoch), within, None))
        update = after.parameters.astype(np.float64) - before.parameters.astype(np.float64)
        gradient, loss = _Observer(self._plan, before).gradient(batch, step - 1)
        parameters = before.parameters.astype(np.float64)
        return StepView(
            step=step,
            epoch=epoch + 1,
            steps_per_epoch=self._plan.steps_per_epoch,
            learning_rate=self._plan.learning_rate(epoch),
            loss=loss,
            parameters=parameters,
            gradient=gradient,
            update=update,
            layers=list(_layer_views(self._plan, parameters, gradient, update, batch)),
            rows=_row_views(self._plan, parameters, batch),
        )

    def _state_at(self, snapshots: Snapshots, epoch: int, steps: int) -> State:
        """The state some steps into an epoch, trained again from the last snapshot up to it."""
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
        return executor.partway(steps)


class _Observer(ArrayExecutor):
    """Shows what an update is made of."""

    def gradient(self, batch: NDArray[np.int64], step: int) -> tuple[Array, float]:
        """The gradient of a step's loss (counted from 0), and the loss."""
        with np.errstate(all="ignore"):
            _, loss = self._gradients(batch, step)
        return self._gradient.astype(np.float64), loss


def _layer_views(
    plan: Plan, parameters: Array, gradient: Array, update: Array, batch: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    """For each layer the norms, and which units are dead or saturated on the whole batch."""
    gradients, updates = unflatten(plan.layers, gradient), unflatten(plan.layers, update)
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
            "update_norm": finite(_norm(*updates[i])),
            "dead_units": (np.flatnonzero(dead) + 1).tolist(),
            "saturated_units": (np.flatnonzero(saturated) + 1).tolist(),
        }


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
