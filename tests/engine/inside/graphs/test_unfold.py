"""The expression of a prediction: re-evaluated outside, and judged by both executors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.autograd.value import graph
from engine.errors import BadData
from engine.execution.eager import EagerNetwork
from engine.inside.graphs.nodes import scalar_nodes
from engine.inside.graphs.unfold import find_neuron, neuron_count, scalar_count, unfold, unfold_neuron
from engine.models.derivatives import derivatives
from engine.models.instances import encode_instances
from engine.models.model import TrainedModel
from engine.nn.activations import ACTIVATIONS
from tests.engine.inside.graphs.evaluation import evaluated
from tests.engine.trained import fruit_model, moons_model, weight_model

MOONS_ROW = {"x1": 0.5, "x2": -0.2}
FRUIT_ROW = {"size": 31.0, "ripe": True, "colour": "red"}
GAP_ROW = {"size": None, "ripe": False, "colour": "blue"}
MODELS: list[tuple[Callable[[], TrainedModel], dict[str, Any]]] = [
    (moons_model, MOONS_ROW),
    (fruit_model, FRUIT_ROW),
    (weight_model, FRUIT_ROW),
    (fruit_model, GAP_ROW),
    (weight_model, GAP_ROW),
]


@pytest.mark.parametrize("activation", ACTIVATIONS.names())
def test_evaluated_outside_it_gives_the_prediction(activation: str) -> None:
    model = moons_model(activation)
    nodes = scalar_nodes(unfold(model, MOONS_ROW).root)
    assert evaluated(nodes) == pytest.approx(model.predict([MOONS_ROW])[0]["scores"][0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("make", "row"), MODELS)
def test_it_is_the_eager_executors_bit_for_bit(make: Callable[[], TrainedModel], row: dict[str, Any]) -> None:
    model = make()
    found = unfold(model, row)
    encoded = encode_instances(model.inputs, [row])[0].tolist()
    score = EagerNetwork(model.layers, model.parameters).scores(encoded)[found.output].data
    target = model.encoding.target
    expected = score if model.classes is not None else score * target.scale + target.offset
    assert found.root.data == expected
    assert evaluated(scalar_nodes(found.root)) == expected


@pytest.mark.parametrize(("make", "row"), MODELS)
def test_the_grads_of_raw_inputs_are_the_derivatives(
    make: Callable[[], TrainedModel], row: dict[str, Any]
) -> None:
    model = make()
    gradient = derivatives(model, [row]).gradients[0]
    by_label = {node.label: node.grad for node in graph(unfold(model, row).root)}
    for name, slope in gradient.items():
        if isinstance(slope, dict):
            for category, part in slope.items():
                assert by_label[f"{name}={category}"] == pytest.approx(part, rel=1e-12)
        else:
            assert by_label[name] == pytest.approx(slope, rel=1e-12)


def test_inputs_scaling_weights_and_neurons_are_labelled() -> None:
    labels = {node.label for node in graph(unfold(moons_model(), MOONS_ROW).root)}
    assert {"x1", "x1 offset", "x1 scale", "x1 scaled", "L1.n3.w2", "L1.n3.b", "L1.n3.sum", "L1.n3"} <= labels
    labels = {node.label for node in graph(unfold(fruit_model(), FRUIT_ROW).root)}
    assert {"ripe", "colour=red", "colour=blue"} <= labels


def test_a_neuron_alone_has_the_grads_it_has_in_the_whole() -> None:
    model = moons_model()
    whole = {node.label: node for node in graph(unfold(model, MOONS_ROW).root)}
    part = unfold_neuron(model, MOONS_ROW, "L2.n3")
    assert part.root.data == pytest.approx(whole["L2.n3"].data, rel=1e-14)
    for node in graph(part.root):
        if node.label.startswith("L2.n3"):
            assert node.grad == pytest.approx(whole[node.label].grad, rel=1e-12)
    shares = [
        next(n.grad for n in graph(unfold_neuron(model, MOONS_ROW, f"L2.n{k}").root) if n.label == "L1.n1")
        for k in range(1, 9)
    ]
    assert sum(shares) == pytest.approx(whole["L1.n1"].grad, rel=1e-12)


def test_the_size_is_known_before_it_is_built() -> None:
    for make, row in MODELS:
        nodes = graph(unfold(make(), row).root)
        assert len(nodes) <= scalar_count(make()) <= 1.5 * len(nodes) + 40
    one = graph(unfold_neuron(moons_model(), MOONS_ROW, "L2.n1").root)
    layer = moons_model().layers[1]
    assert len(one) == layer.inputs + neuron_count(layer)


@pytest.mark.parametrize("name", ["L0.n1", "L4.n1", "L1.n9", "L1", "n1", "L1.n0", "L99999.n1", "l1.n1"])
def test_a_neuron_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BadData, match="no neuron"):
        find_neuron(moons_model(), name)


@pytest.mark.parametrize(
    ("instance", "pointer"),
    [
        ({"x1": 1.0}, "/instance/x2"),
        ([1.0], "/instance"),
        ({"x1": "a", "x2": 0}, "/instance/x1"),
        (None, "/instance"),
    ],
)
def test_a_wrong_row_is_named(instance: Any, pointer: str) -> None:
    with pytest.raises(BadData) as refused:
        unfold(moons_model(), instance)
    assert refused.value.problems[0].pointer == pointer


def test_an_answer_that_overflows_is_refused() -> None:
    with pytest.raises(BadData) as refused:
        unfold(moons_model("relu"), [1e308, -1e308])
    assert refused.value.problems[0].code == "not_finite"
