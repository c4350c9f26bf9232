"""The sandbox over HTTP."""

import math
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of

URL = "/api/v1/expressions"
LESSON = {"expression": "(a*b + c).tanh()", "values": {"a": 2.0, "b": -3.0, "c": 10.0}}


def test_every_node_comes_with_data_and_grad(client: FlaskClient) -> None:
    answer = json_of(client.post(URL, json=LESSON))
    assert answer["value"] == math.tanh(4.0)
    nodes = {node["label"]: node for node in answer["nodes"]}
    assert nodes["a"]["grad"] == pytest.approx(-3 * (1 - math.tanh(4.0) ** 2))
    assert nodes["result"]["op"] == "tanh"
    assert [step["phase"] for step in answer["steps"]] == ["forward"] * 3 + ["backward"] * 5


def test_it_is_drawn_too(client: FlaskClient) -> None:
    assert "{ a | data 2.0000 | grad" in client.post(URL, json={**LESSON, "format": "dot"}).text
    assert client.post(URL, json={**LESSON, "format": "svg"}).mimetype == "image/svg+xml"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/expression": "missing_field"}),
        ({"expression": "a"}, {"/expression": "bad_expression"}),
        ({"expression": "open('x')"}, {"/expression": "bad_expression"}),
        ({"expression": "exp(a)", "values": {"a": 1e6}}, {"/expression": "not_finite"}),
        ({"expression": "a", "values": {"a": "b"}}, {"/values/a": "wrong_type"}),
        ({"expression": "a", "values": [1]}, {"/values": "wrong_type"}),
        ({"expression": "a" * 1_001, "values": {"a": 1}}, {"/expression": "out_of_range"}),
        ({"expression": "a", "value": {"a": 1}}, {"/value": "unknown_field"}),
    ],
)
def test_what_is_not_in_the_language_is_refused(
    client: FlaskClient, body: Any, errors: dict[str, str]
) -> None:
    assert errors_of(client.post(URL, json=body)) == errors
