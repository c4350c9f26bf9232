"""Metrics gathered in batches against scikit-learn's over all rows."""

import numpy as np
import pytest
from sklearn import metrics

from engine.execution.plan import Rows
from engine.execution.tally import Tally, predicted_classes
from engine.training.preparation import prepare
from tests.engine.trainings import mixed_table, spec_for

GENERATOR = np.random.default_rng(9)


def tallied(kind: str, scores: np.ndarray, labels: np.ndarray, scale: float = 1.0) -> list[float]:
    table = mixed_table(kind)
    plan = prepare(spec_for(table, task=kind), table).plan
    rows = Rows(np.zeros((len(labels), 1)), labels[:, None], labels, None, scale)
    tally = Tally(plan, rows)
    for batch in (np.arange(0, 7), np.arange(7, 8), np.arange(8, len(labels))):
        tally.add(batch, scores[batch], float(len(batch)))
    return tally.columns()


def test_losses_are_weighted_by_the_rows_of_their_batch() -> None:
    labels = np.zeros(20)
    loss = tallied("binary", GENERATOR.normal(size=(20, 1)), labels)[0]
    assert loss == pytest.approx((7 * 7 + 1 * 1 + 12 * 12) / 20)


def test_accuracy_is_scikit_learns() -> None:
    labels = (np.arange(30) % 2).astype(np.float64)
    scores = GENERATOR.normal(size=(30, 1))
    assert tallied("binary", scores, labels)[1] == metrics.accuracy_score(labels, scores[:, 0] > 0)
    classes = (np.arange(30) % 3).astype(np.float64)
    several = GENERATOR.normal(size=(30, 3))
    assert tallied("multiclass", several, classes)[1] == metrics.accuracy_score(
        classes, several.argmax(axis=1)
    )


@pytest.mark.parametrize("scale", [1.0, 12.5])
def test_regressions_are_measured_in_the_targets_unit(scale: float) -> None:
    labels, scores = GENERATOR.normal(size=25), GENERATOR.normal(size=(25, 1))
    _, r2, mae, rmse = tallied("regression", scores, labels, scale)
    assert r2 == pytest.approx(metrics.r2_score(labels * scale, scores[:, 0] * scale), rel=1e-12)
    assert mae == pytest.approx(metrics.mean_absolute_error(labels * scale, scores[:, 0] * scale), rel=1e-12)
    assert rmse == pytest.approx(metrics.root_mean_squared_error(labels * scale, scores * scale), rel=1e-12)


def test_equal_targets_have_no_r2() -> None:
    assert np.isnan(tallied("regression", np.ones((10, 1)), np.full(10, 2.0))[1])


def test_a_score_of_zero_is_the_first_class_and_ties_go_to_the_first() -> None:
    assert predicted_classes(np.array([[0.0], [1e-300], [-1.0]])).tolist() == [0.0, 1.0, 0.0]
    assert predicted_classes(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])).tolist() == [0.0, 1.0]
