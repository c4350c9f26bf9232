"""Evaluations over HTTP."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of

URL = "/api/v1/models/moons/evaluations"


def test_a_model_is_judged_on_a_dataset(client: FlaskClient, dataset: str, trained: dict[str, Any]) -> None:
    judged = json_of(client.post(URL, json={"dataset_id": dataset, "worst_rows": 3}))
    model = json_of(client.get("/api/v1/models/moons"))
    assert (judged["model_id"], judged["version"], judged["dataset_id"]) == (model["id"], 1, dataset)
    assert judged["metrics"]["accuracy"] == model["metrics"]["train"]["accuracy"]
    assert judged["metrics"]["loss"] == pytest.approx(model["metrics"]["train"]["loss"])
    assert [sum(line) for line in judged["confusion_matrix"]] == [50, 50]
    assert judged["metrics"]["roc_auc"] > 0.9
    assert len(judged["worst_rows"]) == 3
    assert set(judged["worst_rows"][0]) == {"row", "loss", "actual", "prediction", "instance"}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/dataset_id", "missing_field"),
        ({"dataset_id": "ds_none"}, "/dataset_id", "unknown_dataset"),
        ({"dataset_id": 7}, "/dataset_id", "wrong_type"),
        ({"dataset_id": "ds_none", "worst": 3}, "/worst", "unknown_field"),
    ],
)
def test_a_wrong_body_is_named(
    client: FlaskClient, trained: dict[str, Any], body: dict[str, Any], pointer: str, code: str
) -> None:
    assert errors_of(client.post(URL, json=body))[pointer] == code


def test_a_dataset_that_does_not_fit_is_named(client: FlaskClient, trained: dict[str, Any]) -> None:
    rows = {"columns": ["x1", "x_2", "y"], "rows": [[0.1, 0.2, 7]]}
    other = json_of(client.post("/api/v1/datasets", json=rows))["id"]
    problem = problem_of(client.post(URL, json={"dataset_id": other}), 422)
    assert [each["code"] for each in problem["errors"]] == ["unknown_column", "unknown_class"]
    assert "x2" in problem["errors"][0]["detail"]


def test_an_unknown_model_is_not_found(client: FlaskClient, dataset: str) -> None:
    problem_of(
        client.post("/api/v1/models/other/evaluations", json={"dataset_id": dataset}), 404, "not_found"
    )
