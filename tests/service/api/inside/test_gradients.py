"""Derivatives over HTTP, judged by predictions over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of

URL = "/api/v1/models/moons/gradients"
ROWS = [[0.5, -0.2], [-0.9, 0.9], [1.5, 0.1]]

pytestmark = pytest.mark.usefixtures("trained")


@pytest.fixture
def score(client: FlaskClient) -> Callable[[list[float]], float]:
    def read(row: list[float]) -> float:
        answer = client.post("/api/v1/models/moons/predictions", json={"instances": [row]})
        return float(json_of(answer)["predictions"][0]["scores"][0])

    return read


def test_they_are_the_slopes_of_the_predictions(
    client: FlaskClient, score: Callable[[list[float]], float]
) -> None:
    answer = json_of(client.post(URL, json={"instances": ROWS}))
    assert answer["outputs"] == [0, 0, 0]
    for row, gradient, value in zip(ROWS, answer["gradients"], answer["scores"], strict=True):
        assert value == pytest.approx(score(row), rel=1e-14)
        for i, name in enumerate(("x1", "x2")):
            up, down = ([x + (step if i == k else 0) for k, x in enumerate(row)] for step in (1e-5, -1e-5))
            judge = (score(up) - score(down)) / 2e-5
            assert abs(gradient[name] - judge) <= 1e-6 * max(1, abs(judge))


def test_objects_arrays_and_columns_give_the_same(client: FlaskClient) -> None:
    arrays = json_of(client.post(URL, json={"instances": ROWS}))
    objects = json_of(client.post(URL, json={"instances": [{"x2": x2, "x1": x1} for x1, x2 in ROWS]}))
    columns = json_of(client.post(URL, json={"columns": {"x1": [0.5, -0.9, 1.5], "x2": [-0.2, 0.9, 0.1]}}))
    assert arrays == objects == columns
    assert arrays["version"] == 1


def test_either_class_and_the_index_name_the_one_score(client: FlaskClient) -> None:
    first = json_of(client.post(URL, json={"instances": ROWS}))
    for choice in ({"output": 0}, {"label": 1}, {"label": -1}):
        assert json_of(client.post(URL, json={"instances": ROWS, **choice})) == first


def test_order_two_adds_a_symmetric_matrix(client: FlaskClient) -> None:
    answer = json_of(client.post(URL, json={"instances": ROWS, "order": 2}))
    for hessian in answer["hessians"]:
        assert hessian["x1"]["x2"] == pytest.approx(hessian["x2"]["x1"], rel=1e-12)
    assert "hessians" not in json_of(client.post(URL, json={"instances": ROWS}))


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/instances": "missing_field"}),
        ({"instances": ROWS, "ouput": 0}, {"/ouput": "unknown_field"}),
        ({"instances": ROWS, "output": 1}, {"/output": "unknown_output"}),
        ({"instances": ROWS, "output": -1}, {"/output": "out_of_range"}),
        ({"instances": ROWS, "output": 0.0}, {"/output": "wrong_type"}),
        ({"instances": ROWS, "label": 2}, {"/label": "unknown_output"}),
        ({"instances": ROWS, "label": 1, "output": 0}, {"/label": "ambiguous_output"}),
        ({"instances": ROWS, "order": 3}, {"/order": "out_of_range"}),
        ({"instances": [[1.0]]}, {"/instances/0": "wrong_count"}),
        ({"instances": [[1.0, "a"]]}, {"/instances/0/1": "wrong_type"}),
        ([], {"": "wrong_type"}),
    ],
)
def test_what_is_wrong_is_named_by_pointer(client: FlaskClient, body: Any, errors: dict[str, str]) -> None:
    assert errors_of(client.post(URL, json=body)) == errors


def test_too_many_numbers_are_refused_with_the_remedy(client: FlaskClient) -> None:
    settings = client.application.extensions["gradhouse"].settings
    object.__setattr__(settings, "max_derivatives", 10)
    assert client.post(URL, json={"instances": ROWS}).status_code == 200
    problem = problem_of(client.post(URL, json={"instances": ROWS, "order": 2}), 413, "answer_too_large")
    assert "order 1" in problem["hint"]


def test_an_unknown_model_is_not_found(client: FlaskClient) -> None:
    problem_of(client.post("/api/v1/models/nothing/gradients", json={"instances": ROWS}), 404, "not_found")
