"""Batch predictions over HTTP: ordered, made by a worker, downloaded, deleted."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.errors import Problem
from service.settings import Settings
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES

URL = "/api/v1/models/moons/batch-predictions"
Train = Callable[[], None]


@pytest.fixture
def order(client: FlaskClient, dataset: str, trained: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Orders a batch prediction of the seed's moons; gives the job."""

    def post(**body: Any) -> dict[str, Any]:
        answer = client.post(URL, json={"dataset_id": dataset, **body})
        assert answer.status_code == 202, answer.text
        assert answer.headers["Location"] == f"http://localhost/api/v1/jobs/{json_of(answer)['id']}"
        job: dict[str, Any] = json_of(answer)
        return job

    return post


@ON_BOTH_DATABASES
def test_a_dataset_goes_through_a_model_into_a_file(
    client: FlaskClient, order: Callable[..., dict[str, Any]], train: Train, trained: dict[str, Any]
) -> None:
    job = order(columns=["y"])
    assert (job["kind"], job["status"], job["model_id"]) == (
        "batch_prediction",
        "queued",
        trained["model_id"],
    )
    here = f"/api/v1/jobs/{job['id']}"
    problem_of(client.get(f"{here}/output"), 409, "job_not_done")
    train()
    done = json_of(client.get(here))
    assert (done["status"], done["progress"]["fraction"], done["latest"]["rows"]) == ("succeeded", 1.0, 100)
    result = client.get(f"{here}/result")
    assert (result.status_code, result.headers["Location"]) == (303, f"{here}/output")
    answer = client.get(f"{here}/output")
    assert answer.mimetype == "text/csv"
    lines = answer.text.splitlines()
    assert (lines[0], len(lines)) == ("y,label,score_0", 101)
    single = json_of(client.get("/api/v1/models/moons/predictions?x1=0.5&x2=-0.2"))
    assert len(single["predictions"]) == 1


def test_formulas_are_inert_unless_the_exact_text_is_asked_for(
    client: FlaskClient, order: Callable[..., dict[str, Any]], train: Train, trained: dict[str, Any]
) -> None:
    rows = {"columns": ["x1", "x2", "id"], "rows": [[-1, 2, "=cmd|' /C calc'!A0"], [-2, 1, "a"]]}
    dataset_id = json_of(client.post("/api/v1/datasets", json=rows))["id"]
    for options, begin in (({}, "'=cmd"), ({"formulas": "exact"}, "=cmd")):
        body = {"dataset_id": dataset_id, "columns": ["id", "x1"], **options}
        job = json_of(client.post(URL, json=body))
        train()
        _, first, second = client.get(f"/api/v1/jobs/{job['id']}/output").text.splitlines()
        assert first.startswith(begin)
        assert first.split(",")[1] == "-1"
        assert second.startswith("a,-2,")


def test_lines_of_json_are_the_single_predictions(
    client: FlaskClient, order: Callable[..., dict[str, Any]], train: Train, dataset: str
) -> None:
    job = order(format="ndjson")
    train()
    answer = client.get(f"/api/v1/jobs/{job['id']}/output")
    assert answer.mimetype == "application/x-ndjson"
    rows = json_of(client.get(f"/api/v1/datasets/{dataset}/rows?limit=100"))["data"]
    body = {"instances": [row[:2] for row in rows]}
    predictions = json_of(client.post("/api/v1/models/moons/predictions", json=body))["predictions"]
    assert len(answer.text.splitlines()) == len(predictions) == 100


def test_a_deleted_job_leaves_no_output(
    client: FlaskClient, order: Callable[..., dict[str, Any]], train: Train, settings: Settings
) -> None:
    job = order()
    train()
    assert [path.name for path in settings.outputs_dir.iterdir()] == [job["id"]]
    assert client.delete(f"/api/v1/jobs/{job['id']}").status_code == 204
    assert list(settings.outputs_dir.iterdir()) == []


def test_a_dataset_that_does_not_fit_fails_with_what_is_wrong(
    client: FlaskClient, train: Train, trained: dict[str, Any]
) -> None:
    rows = {"columns": ["x1", "x2"], "rows": [[1, "red"], [2, "blue"], [3, "red"]]}
    other = json_of(client.post("/api/v1/datasets", json=rows))["id"]
    job = json_of(client.post(URL, json={"dataset_id": other}))
    train()
    failed = json_of(client.get(f"/api/v1/jobs/{job['id']}"))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "bad_data")
    assert 'column "x2" holds category values' in failed["error"]["detail"]
    problem_of(client.get(f"/api/v1/jobs/{job['id']}/result"), 409, "bad_data")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/dataset_id", "missing_field"),
        ({"dataset_id": "ds_none"}, "/dataset_id", "unknown_dataset"),
        ({"dataset_id": "ds_none", "format": "xml"}, "/format", "unknown_value"),
        ({"dataset_id": "ds_none", "formulas": "run"}, "/formulas", "unknown_value"),
        ({"dataset_id": "ds_none", "colums": []}, "/colums", "unknown_field"),
    ],
)
def test_a_wrong_order_is_named(
    client: FlaskClient, trained: dict[str, Any], body: dict[str, Any], pointer: str, code: str
) -> None:
    assert errors_of(client.post(URL, json=body))[pointer] == code


def test_a_dataset_that_is_removed_while_its_predictions_are_ordered_is_unknown(
    client: FlaskClient, dataset: str, trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> list[Problem]:
        assert client.delete(f"/api/v1/datasets/{dataset}").status_code == 204
        return []

    monkeypatch.setattr("service.api.batch_predictions._column_problems", remove)
    assert errors_of(client.post(URL, json={"dataset_id": dataset})) == {"/dataset_id": "unknown_dataset"}
    assert [job["id"] for job in json_of(client.get("/api/v1/jobs"))["data"]] == [trained["id"]]


def test_columns_that_are_not_there_are_named_at_once(
    client: FlaskClient, dataset: str, trained: dict[str, Any]
) -> None:
    problem = problem_of(client.post(URL, json={"dataset_id": dataset, "columns": ["z"]}), 422)
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [("/columns", "unknown_column")]


def test_a_training_has_no_output(client: FlaskClient, trained: dict[str, Any]) -> None:
    problem_of(client.get(f"/api/v1/jobs/{trained['id']}/output"), 409, "conflict")
