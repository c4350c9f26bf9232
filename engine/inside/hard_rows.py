"""Which rows hurt: each row's loss under a finished model, and how hard it would pull on the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.table import Table
from engine.execution.array_predictor import forward_pass, slopes_of
from engine.execution.arrays import BatchLoss
from engine.execution.plan import Rows
from engine.inside.graphs.nodes import finite
from engine.models.model import TrainedModel
from engine.models.network import encoded_rows, loss_of

Array = NDArray[np.float64]
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class HardRow:
    """A row by its position in the table: its own loss, and the norm of that loss's gradient."""

    row: int
    loss: float
    gradient_norm: float | None
    prediction: dict[str, Any]


def worst_rows(model: TrainedModel, table: Table, count: int) -> list[HardRow]:
    """The `count` rows with the greatest loss, greatest first; rows the model cannot read are left out."""
    rows = encoded_rows(model.spec, model.encoding, table)
    starts = range(0, len(rows), ROWS_AT_ONCE)
    measured = [_measured(model, rows, slice(start, start + ROWS_AT_ONCE)) for start in starts]
    losses, norms, scores = (np.concatenate([part[i] for part in measured]) for i in range(3))
    order = np.argsort(-losses, kind="stable")  # NaN comes last
    chosen = [int(i) for i in order[:count] if not np.isnan(losses[i])]
    answers = model.answers(scores[chosen])
    return [
        HardRow(i, float(losses[i]), finite(float(norms[i])), answer)
        for i, answer in zip(chosen, answers, strict=True)
    ]


def _measured(model: TrainedModel, rows: Rows, part: slice) -> tuple[Array, Array, Array]:
    """Losses, gradient norms and scores of some rows.

    A weight's gradient is its slope times its input, so a layer adds |slopes|²·(|inputs|² + 1) to the
    square of the norm: no gradient need be built.
    """
    done = forward_pass(model, rows.x[part])
    loss = BatchLoss(loss_of(model.spec.loss), done.scores, rows.targets[part], None)
    own = loss.slopes() * len(done.scores)  # a batch's slopes are of its mean: each row's own again
    squares = np.zeros(len(done.scores))
    for layer, _, along_sums, _ in slopes_of(model, done, own):
        squares += (along_sums**2).sum(axis=1) * ((done.inputs[layer] ** 2).sum(axis=1) + 1.0)
    outputs = done.scores.shape[1] if loss_of(model.spec.loss).mean == "elements" else 1
    return loss.rows / outputs, np.sqrt(squares), done.scores
