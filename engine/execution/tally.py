"""Sums over the steps of an epoch, and the metrics made of them."""

from __future__ import annotations

import math

import numpy as np

from engine.execution.plan import Array, Plan, Rows


class Tally:
    """Gathers loss and metrics of one pass over `rows`, however they come in batches."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self._plan, self._rows = plan, rows
        self._loss = self._hits = self._square = self._absolute = 0.0

    def add(self, rows: object, scores: Array, loss: float) -> None:
        """One batch: its rows' positions, scores (batch, outputs) and mean loss."""
        self._loss += loss * len(scores)
        labels = self._rows.labels[rows]  # type: ignore[call-overload]  # positions or a slice
        if self._plan.task == "regression":
            error = scores[:, 0] - labels
            self._square += float(error @ error)
            self._absolute += float(np.abs(error).sum())
        else:
            self._hits += int((predicted_classes(scores) == labels).sum())

    def columns(self) -> list[float]:
        """The loss and then the plan's metrics; NaN for r2 where all targets are equal."""
        count, scale = len(self._rows), self._rows.scale
        if self._plan.task != "regression":
            return [self._loss / count, self._hits / count]
        total = deviation_square(self._rows)
        r2 = 1.0 - self._square / total if total else math.nan
        mae, rmse = scale * self._absolute / count, scale * math.sqrt(self._square / count)
        return [self._loss / count, r2, mae, rmse]


def deviation_square(rows: Rows) -> float:
    """The sum of squares of the labels' deviations from their mean: what r² compares the errors with."""
    deviation = rows.labels - math.fsum(rows.labels.tolist()) / len(rows)
    return math.fsum((deviation * deviation).tolist())


def predicted_classes(scores: Array) -> Array:
    """(rows, outputs) scores → (rows,) positions: of one score its sign decides, of more the greatest."""
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0.0).astype(np.float64)
    greatest: Array = scores.argmax(axis=1).astype(np.float64)
    return greatest
