"""Surfaces over HTTP."""

from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of

URL = "/api/v1/models/moons/surface"

pytestmark = pytest.mark.usefixtures("trained")


def test_it_agrees_with_predictions(client: FlaskClient) -> None:
    found = json_of(client.get(f"{URL}?x=x1&y=x2&resolution=5"))
    rows = [[x, y] for y in found["y"]["values"] for x in found["x"]["values"]]
    answer = json_of(client.post("/api/v1/models/moons/predictions", json={"instances": rows}))
    scores = [score for row in found["scores"][0] for score in row]
    assert scores == pytest.approx([each["scores"][0] for each in answer["predictions"]], rel=1e-12)
    labels = [found["classes"][position] for row in found["labels"] for position in row]
    assert labels == [each["label"] for each in answer["predictions"]]


def test_two_numbers_are_found_and_the_data_comes_along(client: FlaskClient) -> None:
    found = json_of(client.get(URL))
    assert (found["x"]["name"], found["y"]["name"], len(found["x"]["values"])) == ("x1", "x2", 60)
    assert len(found["points"]["x"]) == 100
    assert set(found["points"]["target"]) == {-1, 1}


def test_the_window_can_be_chosen(client: FlaskClient) -> None:
    found = json_of(client.get(f"{URL}?x_min=-1&x_max=2.5&y_min=0&y_max=1e0&resolution=3"))
    assert found["x"]["values"] == [-1.0, 0.75, 2.5]
    assert found["y"]["values"] == [0.0, 0.5, 1.0]


def test_as_a_picture_it_shows_boundary_points_and_legend(client: FlaskClient) -> None:
    answer = client.get(f"{URL}?format=svg")
    assert answer.mimetype == "image/svg+xml"
    ids = {each.get("id") for each in ElementTree.fromstring(answer.text).iter()}
    assert {"boundary", "points", "axes", "legend"} <= ids
    again = client.get(f"{URL}?format=svg", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_without_the_dataset_there_are_no_points(client: FlaskClient, dataset: str) -> None:
    assert client.delete(f"/api/v1/datasets/{dataset}").status_code == 204
    assert json_of(client.get(URL))["points"] is None


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("x=x3", {"/x": "unknown_column"}),
        ("x=x1&y=x1", {"/y": "repeated"}),
        ("resolution=1000", {"/resolution": "out_of_range"}),
        ("x_min=2&x_max=1", {"/x_min": "out_of_range"}),
        ("x_min=a", {"/x_min": "wrong_type"}),
        ("hold.x9=1", {"/hold.x9": "unknown_field"}),
        ("hold.x1=1", {"/hold.x1": "unknown_field"}),
        ("hold.x1=a", {"/hold.x1": "wrong_type"}),
        ("z=x1", {"/z": "unknown_field"}),
    ],
)
def test_what_is_wrong_is_named(client: FlaskClient, query: str, errors: dict[str, Any]) -> None:
    assert errors_of(client.get(f"{URL}?{query}")) == errors


def test_an_unknown_model_is_not_found(client: FlaskClient) -> None:
    problem_of(client.get("/api/v1/models/nothing/surface"), 404, "not_found")
