"""Neurons, layers and perceptrons of values."""

import math
import random
from typing import Any

import numpy as np
import pytest

from engine.autograd.value import Value
from engine.errors import BadData
from engine.nn.modules import MLP, Layer, Module, Neuron
from engine.registry import UnknownName


def test_a_neuron_is_its_activation_of_the_weighted_sum() -> None:
    neuron = Neuron(2, "sigmoid")
    neuron.w[0].data, neuron.w[1].data, neuron.b.data = 0.5, -1.5, 0.25
    assert neuron([2.0, 3.0]).data == pytest.approx(1.0 / (1.0 + math.exp(3.25)), rel=1e-15)


def test_parameters_come_layer_by_layer_weights_before_bias() -> None:
    model = MLP(2, [2, 1])
    neurons = [neuron for layer in model.layers for neuron in layer.neurons]
    expected = [value for neuron in neurons for value in (*neuron.w, neuron.b)]
    assert all(a is b for a, b in zip(model.parameters(), expected, strict=True))


def test_a_generator_of_ones_own_leaves_the_global_one_alone() -> None:
    random.seed(3)
    before = random.getstate()
    first = [p.data for p in MLP(3, [4, 2], generator=random.Random(5)).parameters()]
    assert random.getstate() == before
    assert first == [p.data for p in MLP(3, [4, 2], generator=random.Random(5)).parameters()]


def test_zero_grad_forgets_every_gradient() -> None:
    model = MLP(2, [3, 1])
    model([1.0, -1.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


def test_the_output_may_have_another_activation() -> None:
    model = MLP(1, [2, 2], activation="relu", output_activation="linear", generator=random.Random(1))
    hidden = [max(0.0, n.w[0].data * 2.0 + n.b.data) for n in model.layers[0].neurons]
    expected = [
        n.b.data + sum(w.data * h for w, h in zip(n.w, hidden, strict=True)) for n in model.layers[1].neurons
    ]
    assert [out.data for out in model([2.0])] == pytest.approx(expected, rel=1e-14)


def test_outputs_are_a_list_even_of_one() -> None:
    for module in (Layer(2, 1), MLP(2, [3, 1])):
        outputs = module.outputs([1.0, 2.0])
        assert len(outputs) == 1
        assert isinstance(outputs[0], Value)
        assert isinstance(module([1.0, 2.0]), Value)


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0, 3.0]])
def test_a_wrong_number_of_inputs_is_refused_with_the_remedy(x: list[float]) -> None:
    with pytest.raises(BadData) as refusal:
        Neuron(2)(x)
    problem = refusal.value.problems[0]
    assert problem.code == "wrong_count"
    assert problem.detail == f"this neuron has 2 weights, got {len(x)} inputs"
    assert "give 2 numbers" in problem.hint


def test_rows_of_numpy_arrays_are_inputs_too() -> None:
    model = MLP(2, [3, 1])
    row: Any = np.array([0.5, -0.5])
    assert model(row).data == model([0.5, -0.5]).data


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown activation"):
        Neuron(2, "thanh")


def test_a_module_without_parameters_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Module().parameters()
