"""Neuron, layer, perceptron: networks of Values, as the tutorial on micrograd builds them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from engine.autograd.value import Operand, Value
from engine.errors import BadData
from engine.nn.activations import ACTIVATIONS


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """All trainable values, in a fixed order."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Sets every parameter's gradient to 0, so that the next `backward()` starts a new sum."""
        for parameter in self.parameters():
            parameter.grad = 0.0


class Neuron(Module):
    """activation(w·x + b) with `inputs` weights, drawn uniformly from −1 to 1 and then the bias.

    Draws come from `generator`, by default Python's global one: `random.seed` makes them repeatable.
    """

    def __init__(self, inputs: int, activation: str = "tanh", generator: random.Random | None = None) -> None:
        uniform = (generator or random).uniform
        self.w = [Value(uniform(-1.0, 1.0)) for _ in range(inputs)]
        self.b = Value(uniform(-1.0, 1.0))
        self.activation = ACTIVATIONS.get(activation)

    def __call__(self, x: Sequence[Operand]) -> Value:
        """The neuron's output for one row; raises BadData unless x has one number for each weight."""
        return self.activation(self.weighted_sum(x))

    def weighted_sum(self, x: Sequence[Operand]) -> Value:
        """w·x + b, before the activation; raises BadData as the call does."""
        if len(x) != len(self.w):
            raise BadData.because(
                f"this neuron has {len(self.w)} weights, got {len(x)} inputs",
                code="wrong_count",
                hint=f"give {len(self.w)} numbers, or build the network for {len(x)} inputs",
            )
        total = self.b
        for weight, value in zip(self.w, x, strict=True):
            total = total + weight * value
        return total

    def parameters(self) -> list[Value]:
        """The weights and then the bias."""
        return [*self.w, self.b]


class Layer(Module):
    """`units` neurons side by side, all looking at the same inputs."""

    def __init__(
        self, inputs: int, units: int, activation: str = "tanh", generator: random.Random | None = None
    ) -> None:
        self.neurons = [Neuron(inputs, activation, generator) for _ in range(units)]

    def __call__(self, x: Sequence[Operand]) -> Any:
        """One Value from a layer of one unit, otherwise a list with one for each unit."""
        outputs = self.outputs(x)
        return outputs[0] if len(outputs) == 1 else outputs

    def outputs(self, x: Sequence[Operand]) -> list[Value]:
        """The neurons' outputs, always as a list."""
        return [neuron(x) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """Neuron by neuron."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]


class MLP(Module):
    """A multi-layer perceptron: `units` of every layer, the last one being the output.

    >>> MLP(2, [4, 4, 1]).parameter_count
    37
    """

    def __init__(
        self,
        inputs: int,
        units: Sequence[int],
        activation: str = "tanh",
        output_activation: str | None = None,
        generator: random.Random | None = None,
    ) -> None:
        sizes, last = [inputs, *units], len(units) - 1
        self.layers = [
            Layer(
                sizes[i],
                sizes[i + 1],
                (output_activation or activation) if i == last else activation,
                generator,
            )
            for i in range(len(units))
        ]

    @property
    def parameter_count(self) -> int:
        """How many weights and biases there are."""
        return len(self.parameters())

    def __call__(self, x: Sequence[Operand]) -> Any:
        """The output layer's value, or the list of its values, for one row."""
        outputs = self.outputs(x)
        return outputs[0] if len(outputs) == 1 else outputs

    def outputs(self, x: Sequence[Operand]) -> list[Value]:
        """The output layer's values, always as a list."""
        values: Sequence[Operand] = x
        for layer in self.layers:
            values = layer.outputs(values)
        return list(values)  # type: ignore[arg-type]  # after a layer every element is a Value

    def parameters(self) -> list[Value]:
        """Layer by layer, neuron by neuron."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]
