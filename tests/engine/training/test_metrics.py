"""Final metrics are those of the model's own answers, by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from engine.data.fitting.splits import train_validation_rows
from engine.data.samples import make_sample
from engine.training.trainer import Trainer
from tests.engine.trainings import mixed_table, run, spec_for


def test_a_classification_is_measured_on_both_sides_of_the_split() -> None:
    table = make_sample("moons", {})
    trainer = Trainer(spec_for(table, training={"epochs": 5, "early_stopping": None}), table)
    run(trainer)
    outcome = trainer.result()
    y = table.column("y").values
    for name, rows in zip(("train", "validation"), train_validation_rows(200, 0.2, 1337, y), strict=True):
        answers = outcome.model.predict([row[:2] for row in table.take(rows).rows(0, len(rows))])
        measured = outcome.metrics[name]
        assert measured is not None
        assert measured["accuracy"] == metrics.accuracy_score(y[rows], [a["label"] for a in answers])
        probabilities = [list(a["probabilities"].values()) for a in answers]
        assert measured["loss"] == pytest.approx(metrics.log_loss(y[rows], probabilities), rel=1e-10)


def test_a_regression_is_measured_in_the_targets_unit() -> None:
    table = mixed_table("regression")
    document = {"split": {"validation": 0}, "training": {"epochs": 5}}
    trainer = Trainer(spec_for(table, **document), table)
    run(trainer)
    outcome = trainer.result()
    y = table.column("y").values
    values = np.array([a["value"] for a in outcome.model.predict([r[:-1] for r in table.rows(0, 26)])])
    measured = outcome.metrics["train"]
    assert measured is not None
    assert measured["r2"] == pytest.approx(metrics.r2_score(y, values), rel=1e-10)
    assert measured["mae"] == pytest.approx(metrics.mean_absolute_error(y, values), rel=1e-10)
    assert measured["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, values), rel=1e-10)
    assert outcome.metrics["validation"] is None
