"""Which rows train and which validate, by the seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.data.table import Column
from engine.randomness import permutation, stream_key

Rows = NDArray[np.int64]
SPLIT_STREAM = 1
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def split_word(value: object) -> str | None:
    """The part that a cell of a split column names: train, validation or test (left out); None: no part."""
    if isinstance(value, bool):
        return "validation" if value else "train"
    return SPLIT_WORDS.get(str(value).strip().lower())


def rows_of_split_column(column: Column) -> tuple[Rows, Rows]:
    """The training and the validation rows that a column names."""
    parts = np.array([split_word(cell) or "" for cell in column.cells()])
    return np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")


def fold_rows(
    count: int, folds: int, fold: int, seed: int, classes: NDArray[np.float64] | None = None
) -> tuple[Rows, Rows]:
    """The training and the validation rows of fold `fold` (counted from 0), each in ascending order.

    Over all folds each row is held back once. With `classes` (count,) each fold holds each class in about
    the same share.
    """
    order = np.array(permutation(count, stream_key(seed, SPLIT_STREAM)), dtype=np.int64)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]  # dealt class by class, as cards are
    validation = np.sort(order[fold::folds])
    return np.setdiff1d(np.arange(count), validation), validation


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
