"""Forward and then backward, one elementary step after the other: the chain rule as a list to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.autograd.value import Value, graph, interior
from engine.inside.graphs.nodes import Node, finite, scalar_nodes


@dataclass(frozen=True, slots=True)
class Trace:
    """The nodes, and the steps that computed their data and then their grads."""

    nodes: list[Node]
    forward: list[dict[str, Any]]
    backward: list[dict[str, Any]]

    def to_document(self) -> dict[str, Any]:
        """As JSON. Replaying `steps` in order from the leaves' data gives every data and every grad."""
        steps = [*self.forward, *self.backward]
        return {
            "root": self.nodes[-1].id,
            "value": self.nodes[-1].data,
            "nodes": [node.to_document() for node in self.nodes],
            "steps": [{"step": i, **step} for i, step in enumerate(steps, 1)],
        }


def trace(root: Value) -> Trace:
    """The steps behind a root on which `backward()` has run."""
    number = {id(value): i for i, value in enumerate(graph(root))}
    order = interior(root)
    return Trace(
        scalar_nodes(root),
        [_forward_step(node, number) for node in order],
        list(_backward_steps(root, order, number)),
    )


def _forward_step(node: Value, number: dict[int, int]) -> dict[str, Any]:
    return {
        "phase": "forward",
        "node": number[id(node)],
        "label": node.label,
        "op": node.op,
        "operands": [number[id(operand)] for operand in node.operands],
        "values": [finite(operand.data) for operand in node.operands],
        "data": finite(node.data),
    }


def _backward_steps(root: Value, order: list[Value], number: dict[int, int]) -> Iterator[dict[str, Any]]:
    """As `Value.backward()` goes, which passes over nodes whose own slope is 0.

    A root that is a neuron in a larger graph begins with the slope of the answer along it, not with 1.
    """
    sums = {number[id(root)]: root.grad}
    for node in reversed(order):
        slope = sums.get(number[id(node)], 0.0)
        if slope == 0.0:
            continue
        for operand, local in zip(node.operands, node.local_derivatives, strict=True):
            target = number[id(operand)]
            sums[target] = sums.get(target, 0.0) + local * slope
            yield {
                "phase": "backward",
                "node": number[id(node)],
                "label": node.label,
                "op": node.op,
                "operand": target,
                "operand_label": operand.label,
                "slope": finite(slope),
                "local": finite(local),
                "product": finite(local * slope),
                "grad": finite(sums[target]),
            }
