"""The graph of one prediction at the level asked for, bounded before anything is built."""

from __future__ import annotations

from typing import Any

from engine.inside.graphs.neurons import neuron_graph, one_neuron_graph
from engine.inside.graphs.nodes import Graph, Level, refuse, scalar_nodes
from engine.inside.graphs.unfold import (
    Unfolded,
    find_neuron,
    neuron_count,
    scalar_count,
    unfold,
    unfold_neuron,
)
from engine.models.model import TrainedModel

MOST_NODES = 20_000


def prediction_graph(
    model: TrainedModel,
    instance: Any,
    level: Level = "neuron",
    *,
    neuron: str | None = None,
    output: int | None = None,
    most: int = MOST_NODES,
) -> Graph:
    """The graph of one prediction after `backward()`, or of one `neuron` in it; raises BadData.

    More than `most` nodes (at level neuron: nodes and weights) raise TooManyNodes.
    """
    check_size(model, level, neuron, most)
    if level == "neuron":
        if neuron is not None:
            return one_neuron_graph(model, instance, neuron, output)
        return neuron_graph(model, instance, output)
    found = unfolded(model, instance, neuron, output)
    return Graph("scalar", found.output, scalar_nodes(found.root), found.root)


def unfolded(model: TrainedModel, instance: Any, neuron: str | None, output: int | None) -> Unfolded:
    """Every operation of a prediction, or of one neuron in it; raises BadData."""
    if neuron is None:
        return unfold(model, instance, output)
    return unfold_neuron(model, instance, neuron, output)


def check_size(model: TrainedModel, level: Level, neuron: str | None, most: int) -> None:
    """Raises TooManyNodes for a graph that would have more than `most` nodes."""
    if neuron is not None:
        layer = model.layers[find_neuron(model, neuron)[0]]
        size = layer.inputs + neuron_count(layer) if level == "scalar" else 2 * layer.inputs + 1
        remedy = 'ask for the level "neuron"' if level == "scalar" else "raise the setting max_graph_nodes"
    elif level == "scalar":
        size, remedy = scalar_count(model), 'ask for the level "neuron", or for one neuron: "neuron": "L1.n1"'
    else:
        size = model.parameter_count + model.encoding.width
        remedy = 'ask for one neuron: "neuron": "L1.n1"'
    if size > most:
        refuse(f"the graph has some {size} nodes", most, remedy)
