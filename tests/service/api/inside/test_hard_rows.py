"""The worst rows over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of


def test_they_come_worst_first_with_what_the_model_says(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = json_of(client.get(f"/api/v1/jobs/{trained['id']}/rows/worst?k=5"))
    rows = answer["data"]
    assert answer["model_id"] == trained["model_id"]
    assert [row["loss"] for row in rows] == sorted((row["loss"] for row in rows), reverse=True)
    assert len(rows) == 5
    stored = json_of(client.get(f"/api/v1/datasets/{trained['dataset_id']}/rows"))["data"]
    for row in rows:
        assert stored[row["row"]] == [row["instance"]["x1"], row["instance"]["x2"], row["target"]]
        score = row["prediction"]["scores"][0]
        assert row["loss"] == pytest.approx(max(0.0, 1.0 - row["target"] * score), abs=1e-12)


def test_bounds_are_named(client: FlaskClient, trained: dict[str, Any]) -> None:
    answer = client.get(f"/api/v1/jobs/{trained['id']}/rows/worst?k=0")
    assert errors_of(answer) == {"/k": "out_of_range"}


def test_a_job_without_a_model_has_none_yet(
    client: FlaskClient, post_job: Callable[..., dict[str, Any]]
) -> None:
    problem = problem_of(client.get(f"/api/v1/jobs/{post_job()['id']}/rows/worst"), 409, "conflict")
    assert "queued" in problem["detail"]
    problem_of(client.get("/api/v1/jobs/job_none/rows/worst"), 404, "not_found")


def test_without_the_dataset_they_are_gone(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert client.delete(f"/api/v1/datasets/{trained['dataset_id']}").status_code == 204
    problem_of(client.get(f"/api/v1/jobs/{trained['id']}/rows/worst"), 410, "gone")
