"""A small, safe language of scalars: text in, an expression of Values out. Nothing is ever evaluated.

It has numbers, variables, `+ - * / **`, comparisons (1 or 0), the primitives as functions `tanh(x)` or
methods `x.tanh()`, and `where(test, x, y)`. Python's own parser reads it; every node is checked
against a whitelist before anything is built.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.autograd.primitives import PRIMITIVES
from engine.autograd.value import Value
from engine.registry import hint_of

MAX_LENGTH = 1_000
MAX_NODES = 300
MAX_DEPTH = 40
MAX_EXPONENT = 64.0

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}
# Each comparison by a primitive, and whether its operands change places.
_COMPARISONS: dict[type[ast.cmpop], tuple[str, bool]] = {
    ast.Gt: ("greater", False),
    ast.GtE: ("greater_equal", False),
    ast.Lt: ("greater", True),
    ast.LtE: ("greater_equal", True),
}
_FUNCTIONS = {row.name: row.arity for row in PRIMITIVES.values()} | {"max": 2, "min": 2, "where": 3}
_ALIASES = {"max": "maximum", "min": "minimum"}
# What people try, in their words, and what they can write instead.
_FOREIGN: dict[type[ast.expr], tuple[str, str]] = {
    ast.Attribute: ("an attribute", "use numbers, names and functions"),
    ast.BinOp: ("this operator", "use + - * / **"),
    ast.BoolOp: ("a test with and, or", "multiply comparisons for and, take the max for or"),
    ast.Compare: ("this comparison", "compare two operands by < <= > or >="),
    ast.Constant: ("this constant", "use whole and decimal numbers"),
    ast.IfExp: ("if … else", "write where(test, x, y)"),
    ast.Subscript: ("an index", "use numbers, names and functions"),
    ast.UnaryOp: ("this operator", "use + - * / **, and 1 - x for not x"),
}


class BadExpression(ValueError):
    """A text that is not in the language; `position` counts characters from 1."""

    def __init__(self, detail: str, position: int, hint: str = "") -> None:
        self.position, self.hint = position, hint
        super().__init__(f"at character {position}: {detail}")


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression of named variables; call it with Values to build the graph."""

    text: str
    variables: tuple[str, ...]
    _tree: ast.expr = field(compare=False, repr=False)

    def uses(self, variable: str) -> bool:
        """Whether the variable occurs."""
        return any(isinstance(node, ast.Name) and node.id == variable for node in ast.walk(self._tree))

    def __call__(self, *values: Value) -> Value:
        """The expression with its variables bound in order."""
        return _built(self._tree, dict(zip(self.variables, values, strict=True)))


def parse_expression(text: str, variables: tuple[str, ...]) -> Expression:
    """The expression in `text` over the named variables; raises BadExpression."""
    if len(text) > MAX_LENGTH:
        detail = f"an expression has at most {MAX_LENGTH} characters, got {len(text)}"
        raise BadExpression(detail, MAX_LENGTH + 1)
    skipped = len(text) - len(text.lstrip())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        place = min(error.offset + skipped, len(text) + 1) if error.offset else len(text) + 1
        raise BadExpression(f"not an expression: {error.msg}", place) from None
    except (ValueError, RecursionError, MemoryError):
        raise BadExpression("not an expression", 1) from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise BadExpression(f"an expression has at most {MAX_NODES} parts", 1, "write it shorter")
    _count_characters(tree, text)
    _check(tree, variables, 1)
    return Expression(text, variables, tree)


def _count_characters(tree: ast.expr, text: str) -> None:
    """Gives every node its place in the whole text in characters; Python counts a line's bytes."""
    lines = text.lstrip().splitlines(keepends=True)
    skipped = len(text) - len(text.lstrip())
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            line = lines[node.lineno - 1].encode()[: node.col_offset]
            above = sum(map(len, lines[: node.lineno - 1]))
            node.col_offset = skipped + above + len(line.decode(errors="ignore"))


def parse_loss(text: str) -> Expression:
    """A loss over the score `s` and the target `y`; it must use the score."""
    loss = parse_expression(text, ("s", "y"))
    if not loss.uses("s"):
        raise BadExpression("the loss does not use the score s", 1, 'write one such as "relu(1 - y*s)"')
    return loss


def _check(node: ast.expr, variables: tuple[str, ...], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refusal(node, f"nested deeper than {MAX_DEPTH}")
    for part in _parts(node, variables):
        _check(part, variables, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_exponent(node.right)


def _parts(node: ast.expr, variables: tuple[str, ...]) -> list[ast.expr]:
    """The operands of a node that is in the language; raises BadExpression for any other."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if abs(value) > 1e300:
                raise _refusal(node, "a number must not exceed 1e300")
            return []
        case ast.Name(id=name):
            if name not in variables:
                raise _unknown_name(node, variables)
            return []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return [left, right]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return [left, right]
        case ast.Call(func=function, args=args, keywords=[]):
            return _call_parts(node, function, args)
    raise _foreign(node)


def _unknown_name(node: ast.Name, variables: tuple[str, ...]) -> BadExpression:
    if node.id in _FUNCTIONS:
        return _refusal(node, f"{node.id} is a function", f"write {node.id}(…) with its operands")
    hint = hint_of(node.id, (*variables, *_FUNCTIONS))
    return _refusal(node, f'unknown name "{node.id}"; there are {", ".join(variables)}', hint)


def _foreign(node: ast.expr) -> BadExpression:
    """Python, but not in the language."""
    what, hint = _FOREIGN.get(type(node), ("this", "use numbers, names and functions"))
    return _refusal(node, f"{what} is not in the language", hint)


def _call_parts(node: ast.Call, function: ast.expr, args: list[ast.expr]) -> list[ast.expr]:
    name, operands = _called(function, args)
    if name not in _FUNCTIONS:
        detail = f'unknown function "{name}"; there are {", ".join(sorted(_FUNCTIONS))}'
        raise _refusal(node, detail, hint_of(name, _FUNCTIONS))
    if len(operands) != _FUNCTIONS[name]:
        raise _refusal(node, f"{name} takes {_FUNCTIONS[name]} operands, got {len(operands)}")
    return operands


def _called(function: ast.expr, args: list[ast.expr]) -> tuple[str, list[ast.expr]]:
    """A call's name and operands, `f(x)` and `x.f()` alike."""
    if isinstance(function, ast.Name):
        return function.id, args
    if isinstance(function, ast.Attribute):
        return function.attr, [function.value, *args]
    raise _refusal(function, "only a function by its name can be called")


def _check_exponent(node: ast.expr) -> None:
    """An exponent without variables is bounded, however it is written; `node` has been checked."""
    if any(isinstance(part, ast.Name) and part.id not in _FUNCTIONS for part in ast.walk(node)):
        return
    exponent = _built(node, {}).data
    if not abs(exponent) <= MAX_EXPONENT:
        detail = f"an exponent must lie between -{MAX_EXPONENT:g} and {MAX_EXPONENT:g}, got {exponent:g}"
        raise _refusal(node, detail)


def _refusal(node: ast.expr, detail: str, hint: str = "") -> BadExpression:
    return BadExpression(detail, node.col_offset + 1, hint)


def _built(node: ast.expr, variables: Mapping[str, Value]) -> Value:
    """The Value of a checked node."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return Value(value)
        case ast.Name(id=name):
            return variables[name]
        case ast.UnaryOp(op=op, operand=operand):
            return -_built(operand, variables) if isinstance(op, ast.USub) else _built(operand, variables)
        case ast.BinOp(left=left, op=op, right=right):
            return _applied(_OPERATORS[type(op)], [left, right], variables)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            name, swapped = _COMPARISONS[type(op)]
            return _applied(name, [right, left] if swapped else [left, right], variables)
        case ast.Call(func=function, args=args):
            name, operands = _called(function, args)
            return _applied(_ALIASES.get(name, name), operands, variables)
    raise AssertionError(node)  # _check lets nothing else through


def _applied(name: str, operands: list[ast.expr], variables: Mapping[str, Value]) -> Value:
    if name == "where":
        test, chosen, otherwise = (_built(operand, variables) for operand in operands)
        return test.gate(chosen) + test.unless(otherwise)
    if name == "power" and (exponent := _literal(operands[1])) is not None:
        return _built(operands[0], variables) ** exponent
    method: Callable[..., Any] = getattr(Value, name)
    result: Value = method(*(_built(operand, variables) for operand in operands))
    return result


def _literal(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return None
