"""Predictions over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, problem_of

URL = "/api/v1/models/moons/predictions"
ROWS = [[0.5, -0.2], [-0.9, 0.9], [1.5, 0.1]]


@pytest.fixture
def predict(client: FlaskClient, trained: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda body: client.post(URL, json=body)


def test_objects_arrays_and_columns_give_the_same(
    predict: Callable[[Any], Any], trained: dict[str, Any]
) -> None:
    arrays = predict({"instances": ROWS}).json
    objects = predict({"instances": [{"x2": x2, "x1": x1} for x1, x2 in ROWS]}).json
    columns = predict({"columns": {"x1": [row[0] for row in ROWS], "x2": [row[1] for row in ROWS]}}).json
    assert arrays == objects == columns
    assert (arrays["model_id"], arrays["version"]) == (trained["model_id"], 1)
    assert [each["label"] for each in arrays["predictions"]] == [1, -1, 1]
    assert all(-1 < each["scores"][0] < 1 for each in arrays["predictions"])
    assert "probabilities" not in arrays["predictions"][0]


def test_one_row_in_the_query_gives_the_same_and_may_be_kept(
    client: FlaskClient, predict: Callable[[Any], Any], trained: dict[str, Any]
) -> None:
    posted = predict({"instances": [ROWS[0]]}).json
    for reference in (trained["model_id"], "moons@1"):
        answer = client.get(f"/api/v1/models/{reference}/predictions?x1=0.5&x2=-0.2")
        assert answer.json == posted
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Authorization"
        known = {"If-None-Match": answer.headers["ETag"]}
        again = client.get(f"/api/v1/models/{reference}/predictions?x1=0.5&x2=-0.2", headers=known)
        assert (again.status_code, again.data) == (304, b"")
    moving = client.get(f"{URL}?x1=0.5&x2=-0.2")
    assert moving.json == posted
    assert "immutable" not in moving.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/instances": "missing_field"}),
        ({"instance": [[1, 2]]}, {"/instance": "unknown_field", "/instances": "missing_field"}),
        ({"instances": [], "columns": {}}, {"/columns": "ambiguous_source"}),
        ({"instances": {}}, {"/instances": "wrong_type"}),
        ({"instances": []}, {"/instances": "out_of_range"}),
        ({"instances": [[0, 0]] * 1_001}, {"/instances": "out_of_range"}),
        ({"instances": [[1]]}, {"/instances/0": "wrong_count"}),
        ({"instances": [[1, 2], [1, 2, 3]]}, {"/instances/1": "wrong_count"}),
        ({"instances": [[1, "2"]]}, {"/instances/0/1": "wrong_type"}),
        ({"instances": [[1, True]]}, {"/instances/0/1": "wrong_type"}),
        ({"instances": ["12"]}, {"/instances/0": "wrong_type"}),
        ({"instances": [None]}, {"/instances/0": "wrong_type"}),
        ({"instances": [{"x1": 1}]}, {"/instances/0/x2": "missing_field"}),
        ({"instances": [{"x1": 1, "x2": 2, "x3": 3}]}, {"/instances/0/x3": "unknown_field"}),
        (
            {"instances": [{"x1": 1, "x_2": 2}]},
            {"/instances/0/x_2": "unknown_field", "/instances/0/x2": "missing_field"},
        ),
        ({"instances": [[1, 2], {"x1": "a", "x2": None}]}, {"/instances/1/x1": "wrong_type"}),
        ({"columns": []}, {"/columns": "wrong_type"}),
        ({"columns": {"x1": 1, "x2": [1]}}, {"/columns/x1": "wrong_type"}),
        ({"columns": {"x1": [1, 2], "x2": [1]}}, {"/columns/x2": "wrong_count"}),
        ([[1, 2]], {"": "wrong_type"}),
    ],
)
def test_wrong_rows_are_named_by_pointer(
    predict: Callable[[Any], Any], body: Any, errors: dict[str, str]
) -> None:
    assert errors_of(predict(body)) == errors


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("", {"/x1": "missing_field", "/x2": "missing_field"}),
        ("x1=a&x2=1", {"/x1": "wrong_type"}),
        ("x1=nan&x2=1", {"/x1": "wrong_type"}),
        ("x1=1&x1=2&x2=1", {"/x1": "repeated"}),
        ("x1=1&x2=2&y=3", {"/y": "unknown_field"}),
    ],
)
def test_a_wrong_query_is_named_by_pointer(
    client: FlaskClient, trained: dict[str, Any], query: str, errors: dict[str, str]
) -> None:
    assert errors_of(client.get(f"{URL}?{query}")) == errors


def test_a_body_that_is_not_json_is_refused(client: FlaskClient, trained: dict[str, Any]) -> None:
    def post(data: str, media_type: str) -> Any:
        return client.post(URL, data=data, content_type=media_type)

    problem_of(post('{"instances": [[1, NaN]]}', "application/json"), 400, "not_json")
    problem_of(post('{"instances": [[1, 2]], "instances": [[3, 4]]}', "application/json"), 400, "not_json")
    problem_of(post('{"instances": [{"x1": 1, "x2": 2, "x1": 3}]}', "application/json"), 400, "not_json")
    problem_of(post('{"instances": [[1, 1e999]]}', "application/json"), 400, "not_json")
    problem_of(post('{"instances": [[1, 2]]}', "text/csv"), 415, "unsupported_media_type")


def test_an_unknown_model_is_not_found(client: FlaskClient) -> None:
    problem_of(client.post(URL, json={"instances": [[1, 2]]}), 404, "not_found")
    problem_of(client.get(f"{URL}?x1=1"), 404, "not_found")
