"""Metrics by scikit-learn's definitions, from true and predicted numbers: knows no model and no table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Positions = NDArray[np.int64]
CURVE_POINTS = 200
CALIBRATION_BINS = 10


def confusion_matrix(actual: Positions, predicted: Positions, classes: int) -> Positions:
    """(classes, classes): how many rows of each actual class (row) were predicted as each (column)."""
    counts = np.bincount(actual * classes + predicted, minlength=classes * classes)
    matrix: Positions = counts.reshape(classes, classes)
    return matrix


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """What a confusion matrix says of each class; a share of nothing is 0, as in scikit-learn."""

    matrix: Positions

    @property
    def support(self) -> Positions:
        """Rows of each class."""
        total: Positions = self.matrix.sum(axis=1)
        return total

    @property
    def recall(self) -> Array:
        """Of each class's rows, the share found."""
        return _share(np.diag(self.matrix), self.support)

    @property
    def precision(self) -> Array:
        """Of the rows predicted as each class, the share that is right."""
        return _share(np.diag(self.matrix), self.matrix.sum(axis=0))

    @property
    def f1(self) -> Array:
        """The harmonic mean of precision and recall."""
        return _share(2 * np.diag(self.matrix), self.matrix.sum(axis=0) + self.support)

    def summary(self) -> dict[str, float]:
        """Accuracy and the means over classes: of those that occur, or are predicted at all."""
        occurs = self.support > 0
        named = occurs | (self.matrix.sum(axis=0) > 0)
        return {
            "accuracy": float(np.trace(self.matrix) / self.matrix.sum()),
            "balanced_accuracy": float(self.recall[occurs].mean()),
            "precision_macro": float(self.precision[named].mean()),
            "recall_macro": float(self.recall[named].mean()),
            "f1_macro": float(self.f1[named].mean()),
        }


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Array:
    share: Array = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return share


def roc_auc(positive: NDArray[np.bool_], scores: Array) -> float | None:
    """The share of pairs (positive, negative) in the right order, ties counting half; None without pairs."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2.0)[inverse]  # of tied scores the mean of their ranks
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def roc_points(positive: NDArray[np.bool_], scores: Array) -> list[dict[str, float | None]]:
    """The corners of the ROC curve, at most CURVE_POINTS, from the highest threshold (null: above all)."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    found = np.concatenate([[0], np.cumsum(hits)[ends]])
    false = np.concatenate([[0], 1 + ends]) - found
    thresholds: list[float | None] = [None, *ranked[ends].tolist()]
    turns = np.diff(found, 2).astype(bool) | np.diff(false, 2).astype(bool)
    corners = np.flatnonzero(np.concatenate([[True], turns, [True]])) if len(found) > 2 else np.arange(2)
    if len(corners) > CURVE_POINTS:
        corners = corners[np.linspace(0, len(corners) - 1, CURVE_POINTS).round().astype(int)]
    rates = found / max(int(found[-1]), 1), false / max(int(false[-1]), 1)
    return [
        {"fpr": float(rates[1][i]), "tpr": float(rates[0][i]), "threshold": thresholds[i]}
        for i in corners.tolist()
    ]


def calibration_points(positive: NDArray[np.bool_], probability: Array) -> list[dict[str, float | int]]:
    """In ten bins of equal width: the mean predicted probability, the share of positives, the rows."""
    edges = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)
    bins = np.searchsorted(edges[1:-1], probability)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    predicted = np.bincount(bins, probability, CALIBRATION_BINS)
    found = np.bincount(bins, positive, CALIBRATION_BINS)
    return [
        {
            "predicted": float(predicted[i] / counts[i]),
            "actual": float(found[i] / counts[i]),
            "rows": int(counts[i]),
        }
        for i in np.flatnonzero(counts).tolist()
    ]


def log_loss(actual: Positions, probabilities: Array) -> float:
    """The mean of −ln p of the actual class, p clipped at float64's ε."""
    epsilon = float(np.finfo(np.float64).eps)
    chosen = np.clip(probabilities[np.arange(len(actual)), actual], epsilon, 1.0 - epsilon)
    return float(-np.log(chosen).mean())


def brier_score(actual: Positions, probabilities: Array) -> float:
    """The mean squared distance of probabilities from the truth: the second of two classes, else summed."""
    if probabilities.shape[1] == 2:
        return float(((probabilities[:, 1] - actual) ** 2).mean())
    truth = actual[:, None] == np.arange(probabilities.shape[1])
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def regression_metrics(actual: Array, predicted: Array) -> dict[str, float]:
    """R², mean absolute error, root of the mean square, median absolute error, greatest error."""
    errors = np.abs(actual - predicted)
    square, total = float((errors**2).sum()), float(((actual - actual.mean()) ** 2).sum())
    r2 = 1.0 - square / total if total else float(square == 0.0)
    return {
        "r2": r2,
        "mae": float(errors.mean()),
        "rmse": math.sqrt(square / len(errors)),
        "median_error": float(np.median(errors)),
        "max_error": float(errors.max()),
    }
