"""A scalar function of Values, traced once and run over whole NumPy arrays, forward and backward.

The trace holds operations only: a function that branches on `.data` would freeze one branch, so none
of the engine's activations and losses does.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.autograd.primitives import PRIMITIVES
from engine.autograd.value import Value, graph

Array = NDArray[np.float64]

_ARRAY_FUNCTIONS: dict[str, Any] = {
    "abs": np.abs,
    "divide": np.divide,
    # NumPy has none, and SciPy's costs every process a third of a second at its start.
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "power": np.power,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "where": np.where,
    "logical_or": np.logical_or,
}


class _Elementwise(ast.NodeTransformer):
    """Rewrites a formula of the table so that its choices are made element by element."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("where", ast.Load()), [node.test, node.body, node.orelse], [])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("logical_or", ast.Load()), list(node.values), [])


def _array_formula(formula: str) -> Callable[..., Array]:
    tree = _Elementwise().visit(ast.parse(f"lambda a, b, o: {formula}", mode="eval"))
    code = compile(ast.fix_missing_locations(tree), f"<{formula}>", "eval")
    function: Callable[..., Array] = eval(code, dict(_ARRAY_FUNCTIONS))  # noqa: S307 - our own table
    return function


_FORWARD = {row.symbol: _array_formula(row.forward) for row in PRIMITIVES.values()}
_PARTIALS = {row.symbol: tuple(map(_array_formula, row.partials)) for row in PRIMITIVES.values()}


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation of a trace: `symbol` applied to the slots `a` and `b`, its result put in `out`."""

    symbol: str
    a: int
    b: int
    out: int


class Vectorized:
    """`function`, of `arity` Values, over arrays.

    >>> square_of_sum = Vectorized(lambda x, y: (x + y) ** 2, 2)
    >>> result = square_of_sum(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> result.value.tolist(), [g.tolist() for g in result.gradients(1.0)]
    ([16.0, 36.0], [[8.0, 12.0], [8.0, 12.0]])
    """

    def __init__(self, function: Callable[..., Value], arity: int) -> None:
        leaves = [Value(0.5) for _ in range(arity)]
        root = function(*leaves)
        slots = {id(leaf): i for i, leaf in enumerate(leaves)}
        self.arity = arity
        self.constants: dict[int, float] = {}
        self.steps: list[_Step] = []
        nodes = graph(root)  # held until the trace is read: slots are keyed by identity
        for node in nodes:
            if id(node) in slots:
                continue
            slot = slots[id(node)] = len(slots)
            if not node.op:
                self.constants[slot] = node.data
                continue
            operands = [slots[id(v)] for v in node.operands]
            self.steps.append(_Step(node.op, operands[0], operands[-1], slot))
        self.root, self.size = slots[id(root)], len(slots)

    def __call__(self, *arrays: Array) -> Evaluation:
        """The function's value for every element of the broadcast arrays."""
        slots: list[Any] = [None] * self.size
        slots[: self.arity] = arrays
        for slot, constant in self.constants.items():
            slots[slot] = constant
        with np.errstate(all="ignore"):
            for step in self.steps:
                slots[step.out] = _FORWARD[step.symbol](slots[step.a], slots[step.b], None)
        return Evaluation(self, slots)


class Evaluation:
    """One run of a vectorized function, kept for its derivatives."""

    def __init__(self, function: Vectorized, slots: list[Any]) -> None:
        self._function, self._slots = function, slots

    @property
    def value(self) -> Array:
        """The results, element by element."""
        result: Array = np.asarray(self._slots[self._function.root], dtype=np.float64)
        return result

    def gradients(self, upstream: Array | float, wanted: Sequence[int] | None = None) -> list[Array]:
        """upstream · ∂value/∂x elementwise, for each argument x whose position is `wanted` (default all)."""
        function, slots = self._function, self._slots
        wanted = range(function.arity) if wanted is None else wanted
        live = _reaching(function, set(wanted))
        slopes: dict[int, Any] = {function.root: upstream}
        with np.errstate(all="ignore"):
            for step in reversed(function.steps):
                slope = slopes.pop(step.out, None)
                if slope is None:
                    continue
                a, b, o = slots[step.a], slots[step.b], slots[step.out]
                for operand, partial in zip((step.a, step.b), _PARTIALS[step.symbol], strict=False):
                    if operand in live:
                        slopes[operand] = slopes.get(operand, 0.0) + _chained(partial(a, b, o), slope)
        zero = np.zeros(np.shape(self.value))
        return [slopes.get(position, 0.0) + zero for position in wanted]


def _chained(partial: Any, slope: Any) -> Any:
    """partial · slope, 0 wherever the slope is: a way not taken leaks no infinity or NaN, as in Value."""
    product = partial * slope
    return np.where(slope == 0.0, 0.0, product) if np.isnan(product).any() else product


def _reaching(function: Vectorized, wanted: set[int]) -> set[int]:
    """The slots through which a wanted argument reaches the result."""
    for step in function.steps:
        if step.a in wanted or (len(_PARTIALS[step.symbol]) == 2 and step.b in wanted):
            wanted.add(step.out)
    return wanted


@lru_cache(maxsize=256)
def vectorized(function: Callable[..., Value], arity: int) -> Vectorized:
    """The vectorized form of a function that lives on: traced once, and kept while it is in use."""
    return Vectorized(function, arity)
