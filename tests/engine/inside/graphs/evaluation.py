"""An evaluator of graphs that knows nothing of the engine: Python's own arithmetic, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from engine.inside.graphs.nodes import Node

OPERATIONS: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "neg": lambda a: -a,
    "tanh": math.tanh,
    "ReLU": lambda a: max(a, 0.0),
    "sigmoid": lambda a: 1.0 / (1.0 + math.exp(-a)),
    "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "erf": math.erf,
    "max": max,
    "min": min,
}
ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "silu": lambda x: x / (1.0 + math.exp(-x)),
}


def evaluated(nodes: Sequence[Node]) -> float:
    """The last node's value, computed from the leaves' data alone."""
    values: list[float] = []
    for node in nodes:
        operands = [values[i] for i in node.operands]
        if node.operands:
            values.append(_computed(node, operands))
        else:
            assert node.data is not None
            values.append(node.data)
    return values[-1]


def _computed(node: Node, operands: list[float]) -> float:
    more = node.more
    if node.op == "scale":
        return float((operands[0] - more["offset"]) / more["scale"])
    if node.op == "unscale":
        return float(operands[0] * more["scale"] + more["offset"])
    if "weights" in more:
        total = more["bias"] + sum(w * x for w, x in zip(more["weights"], operands, strict=True))
        return ACTIVATIONS[node.op](total)
    return OPERATIONS[node.op](*operands)
