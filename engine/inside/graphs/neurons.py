"""The graph of a prediction with one node a neuron: what teachers draw on the blackboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.execution.array_predictor import Pass, forward_pass, predicted_outputs, slopes_of
from engine.execution.plan import unflatten
from engine.inside.graphs.nodes import Graph, Node, finite
from engine.inside.graphs.unfold import (
    encoded_cells,
    find_neuron,
    input_labels,
    is_scaled,
    require_finite,
    unit_labels,
)
from engine.models.instances import read_cells
from engine.models.model import TrainedModel

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Insides:
    """One row in the network: its raw cells, what every layer computed, and the answer's slopes.

    `along_outputs`, `along_sums` (one a layer) and `along_inputs` are the slopes of the answer: a score,
    or in a regression the prediction in the target's own unit.
    """

    model: TrainedModel
    cells: list[float]
    done: Pass
    output: int
    along_outputs: list[Array]
    along_sums: list[Array]
    along_inputs: Array


def look_inside(model: TrainedModel, instance: Any, output: int | None) -> Insides:
    """One row forward and backward through the network; raises BadData."""
    cells = read_cells(model.inputs, instance)
    done = forward_pass(model, np.array([encoded_cells(model.inputs, cells)]))
    output = int(predicted_outputs(done.scores)[0]) if output is None else output
    require_finite(float(done.scores[0, output]))
    upstream = np.zeros_like(done.scores)
    upstream[0, output] = model.encoding.target.scale
    slopes = list(slopes_of(model, done, upstream))[::-1]
    return Insides(
        model,
        cells,
        done,
        output,
        [along[0] for _, along, _, _ in slopes],
        [along[0] for _, _, along, _ in slopes],
        slopes[0][3][0],
    )


def neuron_graph(model: TrainedModel, instance: Any, output: int | None = None) -> Graph:
    """Raw inputs, their scaling, every neuron up to the answer; raises BadData."""
    inside = look_inside(model, instance, output)
    nodes, before = _input_nodes(inside)
    for layer, plan in enumerate(model.layers):
        last = layer == len(model.layers) - 1
        units = [inside.output] if last else range(plan.units)
        first = len(nodes)
        nodes += [_neuron_node(inside, layer, unit, first + k, before) for k, unit in enumerate(units)]
        before = list(range(first, len(nodes)))
    target = model.encoding.target
    if model.classes is None and (target.offset, target.scale) != (0.0, 1.0):
        value = float(inside.done.scores[0, 0]) * target.scale + target.offset
        more = {"offset": target.offset, "scale": target.scale}
        nodes.append(Node(len(nodes), target.name, "unscale", before, finite(value), 1.0, more))
    return Graph("neuron", inside.output, nodes)


def one_neuron_graph(model: TrainedModel, instance: Any, neuron: str, output: int | None = None) -> Graph:
    """One neuron and what goes into it, whose grads are the shares that come through it."""
    layer, unit = find_neuron(model, neuron)
    inside = look_inside(model, instance, output)
    values = inside.done.inputs[layer][0].tolist()
    names = unit_labels(layer, len(values)) if layer else input_labels(model.inputs)
    weights = unflatten(model.layers, model.parameters)[layer][0][unit]
    shares = (weights * inside.along_sums[layer][unit]).tolist()
    leaves = zip(names, values, shares, strict=True)
    nodes = [Node(i, name, "", [], value, finite(share)) for i, (name, value, share) in enumerate(leaves)]
    nodes.append(_neuron_node(inside, layer, unit, len(nodes), range(len(nodes))))
    return Graph("neuron", inside.output, nodes)


def _neuron_node(inside: Insides, layer: int, unit: int, number: int, operands: Sequence[int]) -> Node:
    model = inside.model
    weights, biases = unflatten(model.layers, model.parameters)[layer]
    total, out = inside.done.sums[layer][0, unit], inside.done.activations[layer].value[0, unit]
    more = {"weights": weights[unit].tolist(), "bias": float(biases[unit]), "sum": finite(float(total))}
    return Node(
        number,
        f"L{layer + 1}.n{unit + 1}",
        model.layers[layer].activation,
        list(operands),
        finite(float(out)),
        finite(float(inside.along_outputs[layer][unit])),
        more,
    )


def _input_nodes(inside: Insides) -> tuple[list[Node], list[int]]:
    """Raw inputs, each scaled one followed by a node for that; and which of them the network reads."""
    nodes: list[Node] = []
    read: list[int] = []
    grads = iter(inside.along_inputs.tolist())
    for each, cell in zip(inside.model.inputs, inside.cells, strict=True):
        names = input_labels((each,))
        values = encoded_cells((each,), [cell])
        if is_scaled(each):
            grad = next(grads)
            raw = Node(len(nodes), each.name, "", [], each.filled(cell), finite(grad / each.scale))
            nodes.append(raw)
            more = {"offset": each.offset, "scale": each.scale}
            nodes.append(Node(len(nodes), names[0], "scale", [raw.id], values[0], finite(grad), more))
            read.append(len(nodes) - 1)
            names, values = names[1:], values[1:]
        for name, value in zip(names, values, strict=True):
            read.append(len(nodes))
            nodes.append(Node(len(nodes), name, "", [], value, finite(next(grads))))
    return nodes, read
