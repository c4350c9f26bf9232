"""The derivative of a scalar function as a scalar function again: so second derivatives are exact too."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from engine.autograd.primitives import BY_SYMBOL
from engine.autograd.value import Value, interior

Number = Value | float
Function = Callable[[Value], Value]


def derivative(function: Function) -> Function:
    """f ↦ f′: where `function` builds the graph of f, the result builds the graph of its slope.

    The chain rule is walked backward as in `Value.backward()`, but with Values for slopes, made from the
    very formulas of the table of primitives. `function` must not branch on `.data`.

    >>> slope = derivative(lambda x: x.tanh())
    >>> slope(Value(0.0)).data, derivative(slope)(Value(0.0)).data
    (1.0, -0.0)
    """

    def slope(x: Value) -> Value:
        root = function(x)
        slopes: dict[int, Number] = {id(root): 1.0}
        behind = _dependent(root, x)
        live = {id(x), *map(id, behind)}
        for node in reversed(behind):
            along = slopes[id(node)]
            for operand, partial in zip(node.operands, _PARTIALS[node.op], strict=True):
                if id(operand) in live:
                    share = _times(partial(node.operands[0], node.operands[-1], node), along)
                    slopes[id(operand)] = _plus(slopes.get(id(operand), 0.0), share)
        result = slopes.get(id(x), 0.0)
        return result if isinstance(result, Value) else Value(result)

    return slope


def _dependent(root: Value, x: Value) -> list[Value]:
    """The computed values between `x` and `root`, each after its operands."""
    found: dict[int, Value] = {}
    for node in interior(root):
        if any(operand is x or id(operand) in found for operand in node.operands):
            found[id(node)] = node
    return list(found.values())


def _times(a: Number, b: Number) -> Number:
    """a · b without building a node for a factor of 1 or 0."""
    if isinstance(b, float) and not isinstance(a, float):
        return _times(b, a)
    if a == 0.0:
        return 0.0
    return b if a == 1.0 else a * b


def _plus(a: Number, b: Number) -> Number:
    if isinstance(a, float) and a == 0.0:
        return b
    return a + b


class _OverValues(ast.NodeTransformer):
    """Rewrites a formula of the table into calls that build Values: choices and comparisons are nodes too."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return _call("choose", node.test, node.body, node.orelse)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        return _call(type(node.ops[0]).__name__, node.left, node.comparators[0])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return _call("either", *node.values)


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _value(x: Number) -> Value:
    return x if isinstance(x, Value) else Value(x)


def _choose(test: Value, chosen: Number, otherwise: Number) -> Value:
    return test.gate(chosen) + test.unless(otherwise)


def _not_equal(a: Number, b: Number) -> Value:
    """1 where a and b differ, NaN included: nothing is at least NaN."""
    return 1.0 - _value(a).greater_equal(b) * _value(b).greater_equal(a)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "choose": _choose,
    "either": lambda a, b: a.maximum(b),
    "Gt": lambda a, b: _value(a).greater(b),
    "GtE": lambda a, b: _value(a).greater_equal(b),
    "Lt": lambda a, b: _value(b).greater(a),
    "LtE": lambda a, b: _value(b).greater_equal(a),
    "NotEq": _not_equal,
    **{
        name: lambda *operands, name=name: getattr(_value(operands[0]), name)(*operands[1:])
        for name in ("divide", "power", "exp", "log")
    },
}


def _over_values(formula: str) -> Callable[..., Number]:
    tree = _OverValues().visit(ast.parse(f"lambda a, b, o: {formula}", mode="eval"))
    code = compile(ast.fix_missing_locations(tree), f"<{formula}>", "eval")
    function: Callable[..., Number] = eval(code, dict(_FUNCTIONS))  # noqa: S307 - our own table
    return function


_PARTIALS = {
    symbol: tuple(_over_values(formula) for formula in row.partials) for symbol, row in BY_SYMBOL.items()
}
