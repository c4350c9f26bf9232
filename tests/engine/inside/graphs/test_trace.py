"""Traces replayed from nothing but their steps."""

from __future__ import annotations

from typing import Any

import pytest

from engine.inside.graphs.trace import trace
from engine.inside.graphs.unfold import unfold, unfold_neuron
from tests.engine.inside.graphs.evaluation import OPERATIONS
from tests.engine.trained import fruit_model, moons_model, weight_model


@pytest.mark.parametrize(
    ("make", "row"),
    [
        (moons_model, [0.5, -0.2]),
        (lambda: moons_model("relu"), [0.5, -0.2]),
        (fruit_model, [31.0, True, "red"]),
        (weight_model, [31.0, True, "red"]),
    ],
)
def test_replayed_it_gives_every_data_and_every_grad(make: Any, row: list[Any]) -> None:
    document = trace(unfold(make(), row).root).to_document()
    nodes, steps = document["nodes"], document["steps"]
    data = {node["id"]: node["data"] for node in nodes if not node["op"]}
    for step in (each for each in steps if each["phase"] == "forward"):
        assert step["values"] == [data[i] for i in step["operands"]]
        data[step["node"]] = OPERATIONS[step["op"]](*step["values"])
        assert data[step["node"]] == step["data"]
    grads = dict.fromkeys(data, 0.0) | {document["root"]: 1.0}
    for step in (each for each in steps if each["phase"] == "backward"):
        assert step["slope"] == grads[step["node"]]
        assert step["product"] == step["local"] * step["slope"]
        grads[step["operand"]] += step["product"]
        assert grads[step["operand"]] == step["grad"]
    assert data == {node["id"]: node["data"] for node in nodes}
    assert grads == {node["id"]: node["grad"] for node in nodes}


def test_a_neurons_trace_starts_from_the_answers_slope_along_it() -> None:
    found = unfold_neuron(moons_model(), [0.5, -0.2], "L1.n3")
    document = trace(found.root).to_document()
    steps = [step for step in document["steps"] if step["phase"] == "backward"]
    assert steps[0]["slope"] == found.root.grad != 1.0
    ends = {step["operand"]: step["grad"] for step in steps}
    for node in document["nodes"][:-1]:
        assert ends[node["id"]] == pytest.approx(node["grad"], rel=1e-12)


def test_forward_comes_first_and_steps_are_numbered() -> None:
    steps = trace(unfold(moons_model(), [0.5, -0.2]).root).to_document()["steps"]
    phases = [step["phase"] for step in steps]
    assert phases == sorted(phases, reverse=True)
    assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
