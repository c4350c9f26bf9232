"""A model judged on tables: as scikit-learn would, with the rows that hurt most."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from engine.data.reading.formats import table_from_rows
from engine.data.table import Table
from engine.errors import BadData
from engine.models.evaluation import evaluate
from engine.models.model import TrainedModel
from tests.engine.trained import fruit_model, mixed_table, moons_model, trained, weight_model


def predictions(model: TrainedModel, table: Table) -> list[dict[str, Any]]:
    names = [each.name for each in model.inputs]
    columns = [table.column(name).cells() for name in names]
    return model.predict([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])


def test_classes_are_judged_as_scikit_learn_judges_the_predictions() -> None:
    model, table = fruit_model(), mixed_table()
    judged, answers = evaluate(model, table), predictions(fruit_model(), mixed_table())
    actual = table.column("kind").cells()
    labels = [answer["label"] for answer in answers]
    probabilities = [list(answer["probabilities"].values()) for answer in answers]
    assert judged["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(actual, labels))
    assert judged["metrics"]["log_loss"] == pytest.approx(metrics.log_loss(actual, probabilities))
    assert judged["metrics"]["loss"] == pytest.approx(judged["metrics"]["log_loss"])
    auc = metrics.roc_auc_score(actual, probabilities, multi_class="ovr")
    assert judged["metrics"]["roc_auc"] == pytest.approx(auc)
    assert judged["confusion_matrix"] == metrics.confusion_matrix(actual, labels).tolist()
    assert [each["label"] for each in judged["classes"]] == list(model.classes or ())
    assert set(judged["roc"]) == set(judged["calibration"]) == set(model.classes or ())


def test_numbers_are_judged_in_the_targets_own_unit() -> None:
    model, table = weight_model(), mixed_table()
    judged = evaluate(model, table)
    actual = table.column("weight").values
    predicted = np.array([answer["value"] for answer in predictions(model, table)])
    assert judged["metrics"]["r2"] == pytest.approx(metrics.r2_score(actual, predicted))
    assert judged["metrics"]["mae"] == pytest.approx(metrics.mean_absolute_error(actual, predicted))
    residuals = judged["residuals"]
    assert residuals["mean"] == pytest.approx(float((actual - predicted).mean()))
    assert sum(residuals["histogram"]["counts"]) == table.row_count
    assert residuals["quantiles"]["0.5"] == pytest.approx(float(np.median(actual - predicted)))


def test_the_worst_rows_come_first_with_their_loss() -> None:
    judged = evaluate(fruit_model(), mixed_table(), worst=5)
    worst = judged["worst_rows"]
    assert len(worst) == 5
    assert sorted((row["loss"] for row in worst), reverse=True) == [row["loss"] for row in worst]
    first = worst[0]
    assert first["loss"] == pytest.approx(-np.log(first["prediction"]["probabilities"][first["actual"]]))
    assert first["instance"] == dict(
        zip(["size", "ripe", "colour"], mixed_table().rows(first["row"], first["row"] + 1)[0], strict=False)
    )


def test_a_hinge_model_has_a_curve_and_no_probabilities() -> None:
    table = mixed_table()
    model = trained(table, target="ripe", features=["size"], loss="hinge", model={"hidden_layers": []})
    judged = evaluate(model, table)
    assert "log_loss" not in judged["metrics"]
    assert judged["calibration"] is None
    assert list(judged["roc"]) == ["true"]
    assert 0.0 <= judged["metrics"]["roc_auc"] <= 1.0


def test_one_class_alone_leaves_the_area_open_and_stays_json() -> None:
    table = table_from_rows(["x1", "x2", "y"], [[0.1, 0.2, 1], [1e308, -1e308, 1]])
    judged = evaluate(moons_model(), table)
    assert judged["metrics"]["roc_auc"] is None
    json.dumps(judged, allow_nan=False)


def test_a_table_without_the_target_is_refused() -> None:
    with pytest.raises(BadData, match='no column "y"'):
        evaluate(moons_model(), table_from_rows(["x1", "x2"], [[0.1, 0.2]]))
