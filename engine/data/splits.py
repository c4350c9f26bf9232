"""Which rows train and which validate, by the seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.randomness import permutation, stream_key

Rows = NDArray[np.int64]
SPLIT_STREAM = 1


def train_validation_rows(
    count: int, fraction: float, seed: int, classes: NDArray[np.float64] | None = None
) -> tuple[Rows, Rows]:
    """The training and the validation rows of `count`, each in ascending order.

    With `classes` (count,), the validation rows hold each class in about the same share; a class of one
    row stays in training.
    """
    if fraction == 0.0:
        return np.arange(count), np.empty(0, dtype=np.int64)
    order = np.array(permutation(count, stream_key(seed, SPLIT_STREAM)), dtype=np.int64)
    if classes is None:
        held_back = order[: min(max(round(fraction * count), 1), count - 1)]
    else:
        held_back = np.concatenate([_share(order[classes[order] == c], fraction) for c in np.unique(classes)])
    validation = np.sort(held_back)
    return np.setdiff1d(np.arange(count), validation), validation


def _share(rows: Rows, fraction: float) -> Rows:
    """A class's share of the validation rows: rounded, and at least one of two or more."""
    least = 1 if len(rows) > 1 else 0
    return rows[: min(max(round(fraction * len(rows)), least), len(rows) - 1)]
