"""One node a neuron: the same numbers as the scalars behind it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.autograd.value import graph
from engine.inside.graphs.neurons import neuron_graph, one_neuron_graph
from engine.inside.graphs.unfold import unfold, unfold_neuron
from tests.engine.inside.graphs.evaluation import evaluated
from tests.engine.inside.graphs.test_unfold import MODELS
from tests.engine.trained import moons_model


@pytest.mark.parametrize(("make", "row"), MODELS)
def test_every_neuron_has_the_data_and_grad_of_its_scalars(make: Any, row: Any) -> None:
    scalars = {node.label: node for node in graph(unfold(make(), row).root)}
    nodes = neuron_graph(make(), row).nodes
    assert len({node.label for node in nodes}) == len(nodes)
    for node in nodes:
        assert node.data == pytest.approx(scalars[node.label].data, rel=1e-12, abs=1e-15)
        assert node.grad == pytest.approx(scalars[node.label].grad, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize(("make", "row"), MODELS)
def test_evaluated_outside_it_gives_the_prediction(make: Any, row: Any) -> None:
    answer = make().predict([row])[0]
    found = neuron_graph(make(), row)
    expected = answer["value"] if "value" in answer else answer["scores"][found.output]
    assert evaluated(found.nodes) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert found.to_document()["value"] == found.nodes[-1].data


@pytest.mark.parametrize("neuron", ["L1.n2", "L2.n3", "L3.n1"])
def test_one_neuron_agrees_with_its_scalars(neuron: str) -> None:
    row = [0.5, -0.2]
    found = one_neuron_graph(moons_model(), row, neuron).nodes
    scalars = {node.label: node for node in graph(unfold_neuron(moons_model(), row, neuron).root)}
    assert [node.label for node in found][-1] == neuron
    for node in found:
        assert node.data == pytest.approx(scalars[node.label].data, rel=1e-12)
        assert node.grad == pytest.approx(scalars[node.label].grad, rel=1e-12)
