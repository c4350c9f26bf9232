"""How good a finished model is, on the rows it was trained on and on those held back."""

from __future__ import annotations

import math

from engine.execution.arrays import BatchLoss, forward
from engine.execution.plan import Array, Plan, Rows
from engine.execution.tally import Tally

Metrics = dict[str, float | None]


def final_metrics(plan: Plan, parameters: Array) -> dict[str, Metrics | None]:
    """`train` and `validation` (None without such rows), each with the loss and the task's metrics."""
    return {
        "train": _measured(plan, plan.train, parameters),
        "validation": _measured(plan, plan.validation, parameters) if plan.validation else None,
    }


def _measured(plan: Plan, rows: Rows, parameters: Array) -> Metrics:
    scores = forward(plan.layers, parameters, rows.x)
    tally = Tally(plan, rows)
    tally.add(slice(None), scores, BatchLoss(plan.loss, scores, rows.targets, rows.weights).mean)
    measured = zip(("loss", *plan.metric_names), tally.columns(), strict=True)
    return {name: value if math.isfinite(value) else None for name, value in measured}
