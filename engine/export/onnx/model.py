"""A model as an ONNX file: preprocessing, network, probabilities and labels in one graph, in float64."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import orjson

from engine.data.fitting.preprocessing import Input
from engine.export.onnx.graph import BOOL, DOUBLE, INT64, STRING, OnnxGraph
from engine.export.portable import Portable
from engine.export.scalars import write


def write_onnx(portable: Portable) -> bytes:
    """The file. Inputs: `input` (rows, inputs) where all are numbers, else one (rows, 1) a column.

    Outputs: `scores` and `label`, `probabilities` where the loss fits them; a regression gives `value`.
    """
    graph = OnnxGraph()
    x = _encoded(graph, portable)
    for layer in portable.layers:
        weights, biases = np.array(layer.weights), np.array(layer.biases)
        sums = graph.node("MatMul", x, graph.constant(weights.T.copy()))
        x = write(layer.activation, graph.node("Add", sums, graph.constant(biases)), graph)
    if portable.model.classes is None:
        _end_value(graph, portable, x)
    else:
        graph.end("scores", x, DOUBLE, portable.outputs)
        _end_probabilities(graph, portable, x)
        _end_label(graph, portable, x)
    metadata = {
        "self_test": orjson.dumps(portable.self_test.to_document()).decode(),
        "classes": orjson.dumps(portable.model.classes).decode(),
    }
    return graph.to_bytes(portable.title, version("gradhouse"), metadata)


def _encoded(graph: OnnxGraph, portable: Portable) -> str:
    if all(each.type == "number" for each in portable.inputs):
        whole = graph.begin("input", DOUBLE, len(portable.inputs))
        columns = [
            graph.node("Gather", whole, graph.constant(np.array([i])), axis=1)
            for i in range(len(portable.inputs))
        ]
        if not any(each.indicator for each in portable.inputs):
            return _scaled_together(graph, portable, whole)
    else:
        kinds = {"number": DOUBLE, "boolean": BOOL, "category": STRING}
        columns = [graph.begin(each.name, kinds[each.type], 1) for each in portable.inputs]
    parts = [
        part
        for each, column in zip(portable.inputs, columns, strict=True)
        for part in _encoded_column(graph, each, column)
    ]
    return graph.node("Concat", *parts, axis=1)


def _scaled_together(graph: OnnxGraph, portable: Portable, x: str) -> str:
    fills = [each.fill for each in portable.inputs]
    if any(fill is not None for fill in fills):
        fill = graph.constant(np.array([np.nan if each is None else each for each in fills]))
        x = graph.node("Where", graph.node("IsNaN", x), fill, x)
    shifted = graph.node("Sub", x, graph.constant(np.array([each.offset for each in portable.inputs])))
    return graph.node("Div", shifted, graph.constant(np.array([each.scale for each in portable.inputs])))


def _encoded_column(graph: OnnxGraph, each: Input, column: str) -> list[str]:
    if each.type == "category":
        return _one_hot(graph, each, column)
    number = graph.node("Cast", column, to=DOUBLE) if each.type == "boolean" else column
    missing = graph.node("IsNaN", number)
    filled = number if each.fill is None else graph.node("Where", missing, graph.number(each.fill), number)
    scaled = graph.node("Div", graph.node("Sub", filled, graph.number(each.offset)), graph.number(each.scale))
    return [scaled, graph.node("Cast", missing, to=DOUBLE)] if each.indicator else [scaled]


def _one_hot(graph: OnnxGraph, each: Input, column: str) -> list[str]:
    """A text that is no category is encoded as none of them; the empty text is a missing one."""
    known = {category: int(each.position(category) or 0) for category in each.known}
    if "" not in known:
        known[""] = -1 if each.fill is None else int(each.fill)
    found = graph.node(
        "LabelEncoder",
        column,
        domain="ai.onnx.ml",
        keys_strings=list(known),
        values_int64s=list(known.values()),
        default_int64=-1,
    )
    positions = graph.constant(np.arange(each.width - each.indicator)[None, :])
    parts = [graph.node("Cast", graph.node("Equal", found, positions), to=DOUBLE)]
    if each.indicator:
        empty = graph.node("Equal", column, graph.constant([""], (1, 1)))
        parts.append(graph.node("Cast", empty, to=DOUBLE))
    return parts


def _end_value(graph: OnnxGraph, portable: Portable, scores: str) -> None:
    target = portable.model.encoding.target
    scaled = graph.node("Mul", scores, graph.number(target.scale))
    graph.end("value", graph.node("Add", scaled, graph.number(target.offset)), DOUBLE, 1)


def _end_probabilities(graph: OnnxGraph, portable: Portable, scores: str) -> None:
    if portable.probabilities == "sigmoid":
        both = graph.node("Concat", graph.node("Neg", scores), scores, axis=1)
        graph.end("probabilities", write("sigmoid", both, graph), DOUBLE, 2)
    elif portable.probabilities == "softmax":
        graph.end("probabilities", graph.node("Softmax", scores, axis=1), DOUBLE, portable.outputs)


def _end_label(graph: OnnxGraph, portable: Portable, scores: str) -> None:
    if portable.outputs == 1:
        positive = graph.node("Cast", graph.node("Greater", scores, graph.number(0.0)), to=INT64)
        position = graph.node("Squeeze", positive, graph.constant(np.array([1])))
    else:
        position = graph.node("ArgMax", scores, axis=1, keepdims=0)
    classes = portable.model.classes or ()
    if all(type(each) is int for each in classes):
        graph.end("label", graph.node("Gather", graph.constant(np.array(classes)), position), INT64, None)
    else:
        names = graph.constant(portable.class_names or [])
        graph.end("label", graph.node("Gather", names, position), STRING, None)
