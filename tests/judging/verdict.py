"""Histories side by side: how far two trainings are apart, and how far a judge is from itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.judging.trials import Trial

TOLERANCE = 1e-9
"""How far a number of an epoch may be from the judge's, relative to its size."""

DOUBT = 1e-11
"""A judge that differs from itself by more, once its rows stand in another order, judges nobody."""

_ORDERS = 8

_SMALL = 1e-3  # numbers below are compared absolutely, as fractions of this


class History:
    """Columns of numbers, one an epoch each, named as the service names them."""

    def __init__(self, *, validated: bool) -> None:
        names = ("train_loss", "val_loss", "learning_rate", "grad_norm")
        self.columns: dict[str, list[float]] = {name: [] for name in names if validated or name != "val_loss"}

    def add(self, train: float, validation: float | None, rate: float, norm: float) -> bool:
        """Notes an epoch; says whether its losses are finite, else it is not noted."""
        numbers = [train, *([] if validation is None else [validation]), rate, norm]
        if not math.isfinite(train) or not math.isfinite(validation or 0.0):
            return False
        for column, number in zip(self.columns.values(), numbers, strict=True):
            column.append(number)
        return True

    def __len__(self) -> int:
        return len(self.columns["train_loss"])


def distance(judged: History, rows: Sequence[Mapping[str, Any]]) -> float:
    """The greatest relative difference to a history as the service tells it; infinite for another length."""
    if len(judged) != len(rows):
        return math.inf
    return max(
        (
            _apart(wanted, row[name])
            for name, column in judged.columns.items()
            for wanted, row in zip(column, rows, strict=True)
        ),
        default=0.0,
    )


def doubt(judge: Callable[[Trial], History], trial: Trial) -> float:
    """How far the judge is from itself when the rows stand in another order.

    Where slopes of equal size cancel, what is left is rounding, and an optimizer that divides a gradient
    by its own size makes a step of it: no order of the sum is more right than another.
    """
    first = judge(trial)
    others = (judge(trial.shuffled(seed)) for seed in range(_ORDERS))
    return max(distance(first, _rows(other)) for other in others)


def _rows(history: History) -> list[dict[str, float]]:
    names = tuple(history.columns)
    return [dict(zip(names, numbers, strict=True)) for numbers in zip(*history.columns.values(), strict=True)]


def _apart(wanted: float, got: float | None) -> float:
    if got is None:
        return 0.0 if not math.isfinite(wanted) else math.inf
    return abs(got - wanted) / max(abs(wanted), _SMALL)
