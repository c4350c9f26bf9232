"""One prediction as the expression it is: every scalar operation from a raw input to the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.autograd.value import Value, graph
from engine.data.fitting.preprocessing import Input
from engine.errors import BadData
from engine.execution.array_predictor import Pass, forward_pass, predicted_outputs, slopes_of
from engine.execution.eager import EagerNetwork
from engine.execution.plan import LayerPlan, unflatten
from engine.models.instances import read_cells
from engine.models.model import TrainedModel
from engine.nn.activations import ACTIVATIONS
from engine.nn.modules import Neuron

_NEURON = re.compile(r"L([1-9]\d{0,3})\.n([1-9]\d{0,6})")


@dataclass(frozen=True, slots=True)
class Unfolded:
    """The root of an expression after `backward()`, and which of the model's outputs it belongs to."""

    root: Value
    output: int


def unfold(model: TrainedModel, instance: Any, output: int | None = None) -> Unfolded:
    """One prediction's graph: raw inputs, scaling, weights and neurons labelled; raises BadData.

    `output` is one of the scores; by default that of the predicted class. The root of a regression is the
    prediction in the target's own unit.
    """
    values: list[Value] = _encoded(model.inputs, read_cells(model.inputs, instance))
    network = EagerNetwork(model.layers, model.parameters)
    for number, layer in enumerate(network.layers, 1):
        values = [_labelled(neuron, f"L{number}.n{k}", values) for k, neuron in enumerate(layer.neurons, 1)]
    if output is None:
        output = int(predicted_outputs(np.array([[value.data for value in values]]))[0])
    root = _in_the_targets_unit(model, values[output])
    require_finite(root.data)
    root.backward()
    return Unfolded(root, output)


def unfold_neuron(model: TrainedModel, instance: Any, neuron: str, output: int | None = None) -> Unfolded:
    """The graph of one neuron over the outputs of the layer before it, such as `L2.n3`; raises BadData.

    Grads are those of the model's answer, as in the whole graph; where an operand serves other neurons
    too, its grad here is the share that comes through this one.
    """
    layer, unit = find_neuron(model, neuron)
    cells = read_cells(model.inputs, instance)
    done = forward_pass(model, np.array([encoded_cells(model.inputs, cells)]))
    output = int(predicted_outputs(done.scores)[0]) if output is None else output
    values = done.inputs[layer][0].tolist()
    names = unit_labels(layer, len(values)) if layer else input_labels(model.inputs)
    leaves = [Value(number, label=name) for number, name in zip(values, names, strict=True)]
    root = _labelled(_neuron(model, layer, unit), neuron, leaves)
    require_finite(root.data)
    root.backward()
    share = _slope_along(model, done, output, layer, unit)
    for node in graph(root):
        node.grad *= share
    return Unfolded(root, output)


def _neuron(model: TrainedModel, layer: int, unit: int) -> Neuron:
    """One neuron of the network, without the others."""
    plan = model.layers[layer]
    neuron = Neuron(plan.inputs, plan.activation)
    weights, biases = unflatten(model.layers, model.parameters)[layer]
    for value, number in zip(neuron.w, weights[unit].tolist(), strict=True):
        value.data = number
    neuron.b.data = float(biases[unit])
    return neuron


def _slope_along(model: TrainedModel, done: Pass, output: int, layer: int, unit: int) -> float:
    """The slope of the answer along one neuron's output."""
    upstream = np.zeros_like(done.scores)
    upstream[0, output] = model.encoding.target.scale
    slopes = {i: along for i, along, _, _ in slopes_of(model, done, upstream)}
    return float(slopes[layer][0, unit])


def find_neuron(model: TrainedModel, neuron: str) -> tuple[int, int]:
    """`L2.n3` → layer and unit counted from 0; raises BadData."""
    found = _NEURON.fullmatch(neuron)
    layer, unit = (int(found[1]) - 1, int(found[2]) - 1) if found else (-1, -1)
    if not found or layer >= len(model.layers) or unit >= model.layers[layer].units:
        sizes = ", ".join(f"L{i}.n1 to L{i}.n{plan.units}" for i, plan in enumerate(model.layers[:8], 1))
        raise BadData.because(
            f'the model has no neuron "{neuron}"',
            pointer="/neuron",
            code="unknown_neuron",
            hint=f"It has {sizes}.",
        )
    return layer, unit


def scalar_count(model: TrainedModel) -> int:
    """How many values the whole graph of a prediction has at most, before it is built."""
    scaling = sum(5 + each.indicator if is_scaled(each) else each.width for each in model.inputs)
    return scaling + 4 + sum(neuron_count(layer) * layer.units for layer in model.layers)


def neuron_count(layer: LayerPlan) -> int:
    """How many values one neuron of a layer adds: its parameters, products, sums and activation."""
    return 3 * layer.inputs + 1 + len(graph(ACTIVATIONS.get(layer.activation)(Value(0.5)))) - 1


def is_scaled(each: Input) -> bool:
    """Whether a raw input is changed on its way into the network."""
    return each.type == "number" and (each.offset, each.scale) != (0.0, 1.0)


def input_labels(inputs: tuple[Input, ...]) -> list[str]:
    """A name for each network input: `x1 scaled`, `x1`, or `colour=red`."""
    names: list[str] = []
    for each in inputs:
        if each.type == "category":
            names += [f"{each.name}={category}" for category in each.members or ("",)]
        else:
            names.append(f"{each.name} scaled" if is_scaled(each) else each.name)
        names += [f"{each.name} missing"] * each.indicator
    return names


def unit_labels(layer: int, units: int) -> list[str]:
    """The names of a layer's neurons, the layer counted from 1."""
    return [f"L{layer}.n{k}" for k in range(1, units + 1)]


def require_finite(answer: float) -> None:
    """Raises BadData where an answer overflowed."""
    if not math.isfinite(answer):
        detail = f"the answer for this row is {answer}, not a finite number"
        hint = "give inputs of the size that the model was trained on"
        raise BadData.because(detail, pointer="/instance", code="not_finite", hint=hint)


def encoded_cells(inputs: tuple[Input, ...], cells: Sequence[float]) -> list[float]:
    """Raw cells → the network's inputs, in the very arithmetic of `Input.encode`."""
    return [value.data for value in _encoded(inputs, cells)]


def _encoded(inputs: tuple[Input, ...], cells: Sequence[float]) -> list[Value]:
    """The network's inputs as expressions of the raw ones."""
    values: list[Value] = []
    names = iter(input_labels(inputs))
    for each, cell in zip(inputs, cells, strict=True):
        filled = each.filled(cell)
        if each.type == "category":
            codes = range(each.width - each.indicator)
            values += [Value(float(filled == code), label=next(names)) for code in codes]
        elif is_scaled(each):
            values.append(_scaled(each, filled, next(names)))
        else:
            values.append(Value(filled, label=next(names)))
        if each.indicator:
            values.append(Value(float(each.is_missing(cell)), label=next(names)))
    return values


def _scaled(each: Input, cell: float, label: str) -> Value:
    raw = Value(cell, label=each.name)
    offset, scale = (
        Value(each.offset, label=f"{each.name} offset"),
        Value(each.scale, label=f"{each.name} scale"),
    )
    scaled = (raw - offset) / scale
    scaled.label = label
    return scaled


def _labelled(neuron: Neuron, name: str, x: list[Value]) -> Value:
    """The neuron's output, with labels on its parameters, its sum and itself."""
    for number, weight in enumerate(neuron.w, 1):
        weight.label = f"{name}.w{number}"
    neuron.b.label = f"{name}.b"
    total = neuron.weighted_sum(x)
    total.label = f"{name}.sum"
    out = neuron.activation(total)
    out.label = name
    return out


def _in_the_targets_unit(model: TrainedModel, score: Value) -> Value:
    target = model.encoding.target
    if model.classes is not None or (target.offset, target.scale) == (0.0, 1.0):
        return score
    scale, offset = (
        Value(target.scale, label=f"{target.name} scale"),
        Value(target.offset, label=f"{target.name} offset"),
    )
    value = score * scale + offset
    value.label = target.name
    return value
