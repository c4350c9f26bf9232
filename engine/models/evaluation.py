"""How good a model is on a table it may never have seen: metrics, curves, residuals, the worst rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.fitting.columns import checked_table
from engine.data.table import Table
from engine.execution.arrays import BatchLoss
from engine.execution.plan import Rows
from engine.execution.tally import predicted_classes
from engine.models import scoring
from engine.models.model import TrainedModel
from engine.models.network import encoded_rows, loss_of
from engine.models.scoring import ClassCounts
from engine.spec.resolve import class_text

Array = NDArray[np.float64]
ROWS_AT_ONCE = 8_192
WORST_ROWS = 10
RESIDUAL_BINS = 20
RESIDUAL_POINTS = 500
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def evaluate(model: TrainedModel, table: Table, worst: int = WORST_ROWS) -> dict[str, Any]:
    """All of an evaluation as JSON has it, what is not finite as None; raises BadData for a table that does
    not fit the model. Rows count from 0.

    Rows are taken as they are: no weights, and none left out.
    """
    checked = checked_table(model.encoding, table)
    with np.errstate(over="ignore", invalid="ignore"):  # a huge number may become infinite: null will show it
        rows = encoded_rows(model.spec, model.encoding, checked)
        scores, losses = _scored(model, rows)
        document = _of_classes(model, rows, scores) if model.classes else _of_numbers(model, rows, scores)
        document["metrics"] = {"loss": float(losses.mean()), **document["metrics"]}
        document["worst_rows"] = _worst_rows(model, table, scores, losses, worst)
    finite: dict[str, Any] = _finite(document)
    return {"row_count": table.row_count, **finite}


def _scored(model: TrainedModel, rows: Rows) -> tuple[Array, Array]:
    """(rows, outputs) scores and (rows,) losses, some rows at a time."""
    loss, outputs = loss_of(model.spec.loss), rows.targets.shape[1]
    scores, losses = [], []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        scores.append(model.scores(rows.x[part]))
        own = BatchLoss(loss, scores[-1], rows.targets[part], None).rows
        losses.append(own / (outputs if loss.mean == "elements" else 1))
    return np.concatenate(scores), np.concatenate(losses)


def _of_classes(model: TrainedModel, rows: Rows, scores: Array) -> dict[str, Any]:
    classes = model.classes or ()
    actual = rows.labels.astype(np.int64)
    predicted = predicted_classes(scores).astype(np.int64)
    matrix = scoring.confusion_matrix(actual, predicted, len(classes))
    counts, probabilities = ClassCounts(matrix), model.probabilities(scores)
    metrics: dict[str, float | None] = {
        **counts.summary(),
        "roc_auc": _roc_auc(actual, scores, probabilities),
    }
    if probabilities is not None:
        metrics["log_loss"] = scoring.log_loss(actual, probabilities)
        metrics["brier_score"] = scoring.brier_score(actual, probabilities)
    return {
        "metrics": metrics,
        "classes": _by_class(model, counts),
        "confusion_matrix": matrix.tolist(),
        "roc": _roc_curves(model, actual, scores, probabilities),
        "calibration": _calibration(model, actual, probabilities),
    }


def _by_class(model: TrainedModel, counts: ClassCounts) -> list[dict[str, Any]]:
    columns = (model.classes or (), counts.precision, counts.recall, counts.f1, counts.support.tolist())
    return [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": n}
        for label, p, r, f, n in zip(*columns, strict=True)
    ]


def _roc_auc(actual: NDArray[np.int64], scores: Array, probabilities: Array | None) -> float | None:
    """Of two classes the second's; of more the mean of each against the rest, by probabilities."""
    if scores.shape[1] == 1:
        return scoring.roc_auc(actual == 1, scores[:, 0])
    if probabilities is None:
        return None
    each = [scoring.roc_auc(actual == k, column) for k, column in enumerate(probabilities.T)]
    known = [area for area in each if area is not None]
    return sum(known) / len(known) if len(known) == len(each) else None


def _one_against_rest(
    model: TrainedModel, scores: Array, probabilities: Array | None
) -> list[tuple[int, Array]]:
    """The classes that have a curve of their own, each with what ranks the rows."""
    ranked = scores if probabilities is None else probabilities
    if len(model.classes or ()) == 2:
        return [(1, ranked[:, -1])]
    return list(enumerate(ranked.T))


def _roc_curves(
    model: TrainedModel, actual: NDArray[np.int64], scores: Array, probabilities: Array | None
) -> dict[str, Any]:
    return {
        class_text((model.classes or ())[k]): scoring.roc_points(actual == k, column)
        for k, column in _one_against_rest(model, scores, probabilities)
    }


def _calibration(
    model: TrainedModel, actual: NDArray[np.int64], probabilities: Array | None
) -> dict[str, Any] | None:
    if probabilities is None:
        return None
    return {
        class_text((model.classes or ())[k]): scoring.calibration_points(actual == k, column)
        for k, column in _one_against_rest(model, probabilities, probabilities)
    }


def _of_numbers(model: TrainedModel, rows: Rows, scores: Array) -> dict[str, Any]:
    target = model.encoding.target
    actual = rows.labels * target.scale + target.offset
    predicted = scores[:, 0] * target.scale + target.offset
    metrics = scoring.regression_metrics(actual, predicted)
    return {"metrics": metrics, "residuals": _residuals(actual, predicted)}


def _residuals(actual: Array, predicted: Array) -> dict[str, Any]:
    """What is left over, actual less predicted: its spread, and points to draw."""
    left = actual - predicted
    known = left[np.isfinite(left)]
    counts, edges = np.histogram(known, RESIDUAL_BINS)
    shown = np.unique(np.linspace(0, len(left) - 1, min(RESIDUAL_POINTS, len(left))).round().astype(int))
    return {
        "mean": float(left.mean()),
        "std": float(left.std()),
        "quantiles": {f"{q:g}": float(np.quantile(left, q)) for q in QUANTILES},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        "points": [
            {"row": row, "actual": float(actual[row]), "predicted": float(predicted[row])}
            for row in shown.tolist()
        ],
    }


def _worst_rows(
    model: TrainedModel, table: Table, scores: Array, losses: Array, count: int
) -> list[dict[str, Any]]:
    chosen = np.argsort(-losses, kind="stable")[:count]
    target = table.column(model.encoding.target.name)
    cells = [table.column(each.name).take(chosen).cells() for each in model.inputs]
    names = [each.name for each in model.inputs]
    answers = model.answers(scores[chosen])
    actual = target.take(chosen).cells()
    return [
        {
            "row": row,
            "loss": loss,
            "actual": value,
            "prediction": answer,
            "instance": dict(zip(names, own, strict=True)),
        }
        for row, loss, value, answer, own in zip(
            chosen.tolist(),
            losses[chosen].tolist(),
            actual,
            answers,
            zip(*cells, strict=True),
            strict=True,
        )
    ]


def _finite(part: Any) -> Any:
    """A document with None for every number that is not finite."""
    if isinstance(part, dict):
        return {name: _finite(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_finite(value) for value in part]
    return None if isinstance(part, float) and not math.isfinite(part) else part
