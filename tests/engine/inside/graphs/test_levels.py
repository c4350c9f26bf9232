"""Graphs by level and size."""

from __future__ import annotations

import sys
from itertools import count
from xml.etree import ElementTree

import pytest

from engine.inside.graphs.levels import prediction_graph
from engine.inside.graphs.nodes import Level, TooManyNodes
from tests.engine.trained import moons_model

ROW = [0.5, -0.2]


@pytest.mark.parametrize("level", ["neuron", "scalar"])
@pytest.mark.parametrize("neuron", [None, "L1.n1", "L2.n5"])
def test_document_and_drawing_show_the_same_nodes(level: Level, neuron: str | None) -> None:
    found = prediction_graph(moons_model(), ROW, level, neuron=neuron)
    document = found.to_document()
    assert (document["level"], document["root"]) == (level, len(document["nodes"]) - 1)
    svg = ElementTree.fromstring(found.drawing(10_000).svg())
    boxes = [g for g in svg.iter() if g.get("class") == "node"]
    operations = sum(1 for node in document["nodes"] if node["op"]) if level == "scalar" else 0
    assert len(boxes) == len(document["nodes"]) + operations
    words = {text.strip() for text in svg.itertext()}
    assert {node["label"] for node in document["nodes"] if node["label"]} <= words


@pytest.mark.parametrize(
    ("level", "neuron", "most", "remedy"),
    [
        ("scalar", None, 100, 'ask for the level "neuron"'),
        ("neuron", None, 20, 'ask for one neuron: "neuron": "L1.n1"'),
        ("scalar", "L2.n1", 10, 'ask for the level "neuron"'),
        ("neuron", "L2.n1", 10, "raise the setting max_graph_nodes"),
    ],
)
def test_over_the_bound_it_says_what_to_ask_instead(
    level: Level, neuron: str | None, most: int, remedy: str
) -> None:
    with pytest.raises(TooManyNodes, match=f"at most {most} are given") as refused:
        prediction_graph(moons_model(), ROW, level, neuron=neuron, most=most)
    assert remedy in refused.value.problems[0].hint


def test_a_picture_has_a_bound_of_its_own() -> None:
    found = prediction_graph(moons_model(), ROW)
    assert "digraph" in str(found.dot())
    with pytest.raises(TooManyNodes, match="the picture would have"):
        found.drawing(50)


def test_a_node_costs_the_same_among_a_thousand() -> None:
    """Counted in function calls: seconds would tell of the machine."""
    few, many = _calls_a_node(4), _calls_a_node(16)
    assert many == pytest.approx(few, rel=0.1)


def _calls_a_node(width: int) -> float:
    model, calls = moons_model("tanh", width), count()
    prediction_graph(model, ROW, "scalar")  # what is made once is no node's
    sys.setprofile(lambda _frame, event, _of: next(calls) if event == "call" else None)
    try:
        nodes = prediction_graph(model, ROW, "scalar").to_document()["nodes"]
    finally:
        sys.setprofile(None)
    return next(calls) / len(nodes)
