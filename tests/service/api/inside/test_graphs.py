"""Graphs and traces over HTTP."""

from typing import Any
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of

URL = "/api/v1/models/moons/graph"
ROW = {"x1": 0.5, "x2": -0.2}

pytestmark = pytest.mark.usefixtures("trained")


def bound(client: FlaskClient, name: str, value: int) -> None:
    object.__setattr__(client.application.extensions["gradhouse"].settings, name, value)


def prediction(client: FlaskClient) -> float:
    answer = client.get("/api/v1/models/moons/predictions?x1=0.5&x2=-0.2")
    return float(json_of(answer)["predictions"][0]["scores"][0])


@pytest.mark.parametrize("level", ["neuron", "scalar"])
def test_the_answer_is_the_prediction(client: FlaskClient, level: str) -> None:
    graph = json_of(client.post(URL, json={"instance": ROW, "level": level}))
    assert graph["level"] == level
    assert graph["value"] == pytest.approx(prediction(client), rel=1e-12)
    assert graph["nodes"][graph["root"]]["data"] == graph["value"]
    assert graph["nodes"][graph["root"]]["grad"] == 1.0


def test_the_seeds_network_is_a_thousand_nodes(client: FlaskClient) -> None:
    nodes = json_of(client.post(URL, json={"instance": ROW, "level": "scalar"}))["nodes"]
    assert 900 < len(nodes) < 1_100
    labels = {node["label"] for node in nodes}
    assert {"x1", "x2", "L1.n3.w2", "L1.n3", "L2.n16.b", "L3.n1"} <= labels


def test_dot_and_svg_are_given_raw(client: FlaskClient) -> None:
    dot = client.post(URL, json={"instance": ROW, "level": "scalar", "format": "dot"})
    assert dot.content_type == "text/vnd.graphviz; charset=utf-8"
    assert "L1.n3.w2 | data" in dot.text
    svg = client.post(URL, json={"instance": [0.5, -0.2], "neuron": "L1.n1", "format": "svg"})
    assert svg.content_type == "image/svg+xml; charset=utf-8"
    assert ElementTree.fromstring(svg.text).tag.endswith("svg")


def test_the_accept_header_chooses_too(client: FlaskClient) -> None:
    answer = client.get(f"{URL}?x1=0.5&x2=-0.2&neuron=L1.n1", headers={"Accept": "image/svg+xml"})
    assert answer.mimetype == "image/svg+xml"


def test_a_row_in_the_query_gives_the_same_and_may_be_kept(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    for level in ("neuron", "scalar"):
        posted = json_of(client.post(URL, json={"instance": ROW, "level": level, "label": 1}))
        url = f"/api/v1/models/{trained['model_id']}/graph?x1=0.5&x2=-0.2&level={level}&label=1"
        answer = client.get(url)
        assert json_of(answer) == posted
        assert "immutable" in answer.headers["Cache-Control"]
        assert client.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_one_neuron_is_shown_alone(client: FlaskClient) -> None:
    graph = json_of(client.post(URL, json={"instance": ROW, "level": "scalar", "neuron": "L2.n3"}))
    assert graph["nodes"][-1]["label"] == "L2.n3"
    assert {"L1.n1", "L2.n3.w16", "L2.n3.b", "L2.n3.sum"} <= {node["label"] for node in graph["nodes"]}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"/instance": "missing_field"}),
        ({"instance": ROW, "level": "atom"}, {"/level": "unknown_value"}),
        ({"instance": ROW, "format": "png"}, {"/format": "unknown_value"}),
        ({"instance": ROW, "neuron": "L9.n1"}, {"/neuron": "unknown_neuron"}),
        ({"instance": ROW, "output": 3}, {"/output": "unknown_output"}),
        ({"instance": ROW, "instances": []}, {"/instances": "unknown_field"}),
        ({"instance": {"x1": 1}}, {"/instance/x2": "missing_field"}),
        ({"instance": "x"}, {"/instance": "wrong_type"}),
    ],
)
def test_what_is_wrong_is_named_by_pointer(client: FlaskClient, body: Any, errors: dict[str, str]) -> None:
    assert set(errors_of(client.post(URL, json=body))) == set(errors)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("x1=0.5", "/x2"),
        ("x1=0.5&x2=a", "/x2"),
        ("x1=0.5&x2=1&lvel=scalar", "/lvel"),
        ("x1=0.5&x2=1&output=a", "/output"),
        ("x1=0.5&x2=1&label=7", "/label"),
    ],
)
def test_a_wrong_query_is_named(client: FlaskClient, query: str, pointer: str) -> None:
    assert list(errors_of(client.get(f"{URL}?{query}"))) == [pointer]


def test_over_the_bounds_the_answer_says_what_to_ask_instead(client: FlaskClient) -> None:
    bound(client, "max_graph_nodes", 500)
    body = {"instance": ROW, "level": "scalar"}
    problem = problem_of(client.post(URL, json=body), 413, "answer_too_large")
    assert '"neuron"' in problem["hint"]
    traced = "/api/v1/models/moons/trace"
    problem = problem_of(client.post(traced, json={"instance": ROW}), 413, "answer_too_large")
    assert '"neuron": "L1.n1"' in problem["hint"]
    steps = json_of(client.post(traced, json={"instance": ROW, "neuron": "L2.n1"}))["steps"]
    assert {step["label"] for step in steps} == {"", "L2.n1.sum", "L2.n1"}
    bound(client, "max_graph_nodes", 5_000)
    bound(client, "max_drawn_nodes", 500)
    problem = problem_of(client.post(URL, json={**body, "format": "svg"}), 413, "answer_too_large")
    assert "json or dot" in problem["hint"]
    assert client.post(URL, json={**body, "format": "dot"}).status_code == 200


def test_a_trace_ends_at_the_gradients(client: FlaskClient) -> None:
    trace = json_of(client.post("/api/v1/models/moons/trace", json={"instance": ROW}))
    gradient = json_of(client.post("/api/v1/models/moons/gradients", json={"instances": [ROW]}))["gradients"]
    ends = {step["operand_label"]: step["grad"] for step in trace["steps"] if step["phase"] == "backward"}
    assert ends["x1"] == pytest.approx(gradient[0]["x1"], rel=1e-12)
    assert ends["x2"] == pytest.approx(gradient[0]["x2"], rel=1e-12)
    assert trace["value"] == pytest.approx(prediction(client), rel=1e-12)
