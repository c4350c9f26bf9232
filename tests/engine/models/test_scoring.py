"""Metrics against scikit-learn's, number for number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from engine.models import scoring
from engine.models.scoring import ClassCounts

GENERATOR = np.random.default_rng(3)
ACTUAL = GENERATOR.integers(0, 2, 150)
SCORES = (ACTUAL + GENERATOR.normal(0, 0.8, 150)).round(1)  # rounded: ties
PROBABILITY = 1.0 / (1.0 + np.exp(-3.0 * (SCORES - 0.5)))
FEW = [0, 1, 2, 2, 1, 0, 2], [0, 2, 2, 2, 1, 1, 0]
classes = st.integers(0, 3)


@given(st.lists(st.tuples(classes, classes), min_size=1, max_size=60))
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_what_a_confusion_matrix_says_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    actual, predicted = np.array(pairs).T
    matrix = scoring.confusion_matrix(actual, predicted, 4)
    assert (matrix == metrics.confusion_matrix(actual, predicted, labels=range(4))).all()
    counts = ClassCounts(matrix)
    each = metrics.precision_recall_fscore_support(actual, predicted, labels=range(4), zero_division=0)
    for mine, theirs in zip((counts.precision, counts.recall, counts.f1, counts.support), each, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-15)
    macro = metrics.precision_recall_fscore_support(actual, predicted, average="macro", zero_division=0)
    summary = counts.summary()
    assert [summary[f"{name}_macro"] for name in ("precision", "recall", "f1")] == pytest.approx(macro[:3])
    assert summary["accuracy"] == pytest.approx(metrics.accuracy_score(actual, predicted))
    assert summary["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(actual, predicted))


def test_the_area_under_the_curve_counts_ties_by_half() -> None:
    assert scoring.roc_auc(ACTUAL == 1, SCORES) == pytest.approx(metrics.roc_auc_score(ACTUAL, SCORES))
    assert scoring.roc_auc(np.array([True, False]), np.zeros(2)) == 0.5
    assert scoring.roc_auc(np.array([True, True]), np.zeros(2)) is None


def test_the_curves_corners_are_scikit_learns() -> None:
    fpr, tpr, thresholds = metrics.roc_curve(ACTUAL, SCORES)
    points = scoring.roc_points(ACTUAL == 1, SCORES)
    assert [point["fpr"] for point in points] == pytest.approx(fpr)
    assert [point["tpr"] for point in points] == pytest.approx(tpr)
    assert points[0]["threshold"] is None
    assert [point["threshold"] for point in points[1:]] == pytest.approx(thresholds[1:])


@pytest.mark.parametrize("rows", [1, 2, 5_000])
def test_a_curve_of_any_length_is_whole_and_short(rows: int) -> None:
    positive = GENERATOR.integers(0, 2, rows).astype(bool)
    points = scoring.roc_points(positive, GENERATOR.normal(size=rows))
    assert 2 <= len(points) <= scoring.CURVE_POINTS
    assert (points[0]["fpr"], points[0]["tpr"]) == (0.0, 0.0)
    assert points[-1]["tpr"] == float(positive.any())


def test_calibration_is_scikit_learns() -> None:
    actual, predicted = calibration_curve(ACTUAL, PROBABILITY, n_bins=10)
    points = scoring.calibration_points(ACTUAL == 1, PROBABILITY)
    assert [point["actual"] for point in points] == pytest.approx(actual)
    assert [point["predicted"] for point in points] == pytest.approx(predicted)
    assert sum(point["rows"] for point in points) == 150


def test_losses_of_probabilities_are_scikit_learns() -> None:
    two = np.column_stack([1.0 - PROBABILITY, PROBABILITY])
    three = GENERATOR.dirichlet([1, 1, 1], 150)
    three[0] = [0.0, 1.0, 0.0]
    actual = GENERATOR.integers(0, 3, 150)
    assert scoring.log_loss(ACTUAL, two) == pytest.approx(metrics.log_loss(ACTUAL, two))
    assert scoring.log_loss(actual, three) == pytest.approx(metrics.log_loss(actual, three))
    assert scoring.brier_score(ACTUAL, two) == pytest.approx(metrics.brier_score_loss(ACTUAL, PROBABILITY))
    assert scoring.brier_score(actual, three) == pytest.approx(metrics.brier_score_loss(actual, three))


def test_errors_of_numbers_are_scikit_learns() -> None:
    actual, predicted = GENERATOR.normal(size=99), GENERATOR.normal(size=99)
    assert scoring.regression_metrics(actual, predicted) == pytest.approx(
        {
            "r2": metrics.r2_score(actual, predicted),
            "mae": metrics.mean_absolute_error(actual, predicted),
            "rmse": metrics.root_mean_squared_error(actual, predicted),
            "median_error": metrics.median_absolute_error(actual, predicted),
            "max_error": metrics.max_error(actual, predicted),
        }
    )
    flat = np.ones(4)
    assert scoring.regression_metrics(flat, flat)["r2"] == metrics.r2_score(flat, flat) == 1.0
    assert scoring.regression_metrics(flat, flat + 1)["r2"] == metrics.r2_score(flat, flat + 1) == 0.0
