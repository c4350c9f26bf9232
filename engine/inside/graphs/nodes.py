"""What a graph is made of when it leaves the engine: nodes that can be printed, drawn and evaluated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.autograd.value import Value, graph
from engine.drawing import Box, Drawing, Line, draw_boxes, draw_dot
from engine.errors import BadData

Level = Literal["neuron", "scalar"]
LEVELS: tuple[Level, ...] = ("neuron", "scalar")


class TooManyNodes(BadData):
    """A graph over the bound; its one problem says what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node; operands are the `id`s of nodes before it, `more` what its operation needs besides them."""

    id: int
    label: str
    op: str
    operands: list[int]
    data: float | None
    grad: float | None
    more: dict[str, Any] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        document = {"id": self.id, "label": self.label, "op": self.op, "operands": self.operands}
        return {**document, "data": self.data, "grad": self.grad, **self.more}


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph in an order in which it can be evaluated, the answer last; drawn on demand.

    `root` is the expression itself where the nodes are scalars.
    """

    level: Level
    output: int
    nodes: list[Node]
    root: Value | None = None

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "level": self.level,
            "output": self.output,
            "value": self.nodes[-1].data,
            "root": self.nodes[-1].id,
            "nodes": [node.to_document() for node in self.nodes],
        }

    def drawing(self, most: int) -> Drawing:
        """As DOT, from which the SVG is made; raises TooManyNodes over `most` nodes."""
        size = len(self.nodes)
        if self.root is None:
            size += sum(len(node.operands) for node in self.nodes)
        if size > most:
            remedy = "ask for the format json or dot, or for one neuron"
            refuse(f"the picture would have {size} nodes", most, remedy)
        return self.dot()

    def dot(self) -> Drawing:
        """As DOT, whatever its size."""
        return draw_dot(self.root) if self.root is not None else draw_boxes(*_boxes(self.nodes))


def scalar_nodes(root: Value) -> list[Node]:
    """Every value behind a root, each after its operands."""
    values = graph(root)
    number = {id(value): i for i, value in enumerate(values)}
    return [
        Node(
            i,
            value.label,
            value.op,
            [number[id(operand)] for operand in value.operands],
            finite(value.data),
            finite(value.grad),
        )
        for i, value in enumerate(values)
    ]


def finite(x: float) -> float | None:
    """The number, or None for what JSON cannot hold."""
    return x if math.isfinite(x) else None


def refuse(fact: str, most: int, remedy: str) -> None:
    """Raises TooManyNodes."""
    raise TooManyNodes.because(f"{fact}, at most {most} are given", code="graph_too_large", hint=remedy)


def _boxes(nodes: Iterable[Node]) -> tuple[list[Box], list[Line]]:
    boxes, lines = [], []
    for node in nodes:
        boxes.append(Box(node.label, node.op, node.data, node.grad))
        weights = node.more.get("weights", [None] * len(node.operands))
        lines += [Line(*ends) for ends in zip(node.operands, [node.id] * len(weights), weights, strict=True)]
    return boxes, lines
