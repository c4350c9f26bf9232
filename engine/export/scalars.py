"""Scalar functions of Values written in other languages: the trace of the graph, the table's own formulas."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

from engine.autograd.primitives import BY_SYMBOL
from engine.autograd.vectorized import vectorized
from engine.nn.activations import ACTIVATIONS

T = TypeVar("T")
_COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}
_COMBINED = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


class Target(Protocol[T]):
    """What an interpreter of the table needs to do."""

    def number(self, value: float) -> T: ...
    def negated(self, a: T) -> T: ...
    def combined(self, sign: str, a: T, b: T) -> T: ...
    def compared(self, sign: str, a: T, b: T) -> T: ...
    def either(self, a: T, b: T) -> T: ...
    def chosen(self, test: T, a: T, b: T) -> T: ...
    def called(self, function: str, arguments: list[T]) -> T: ...
    def step(self, value: T) -> T:
        """A step of the trace is done: its value may be given a name."""


@dataclass(frozen=True, slots=True)
class _Formula(Generic[T]):
    target: Target[T]
    operands: Mapping[str, T]

    def of(self, node: ast.expr) -> T:
        """The formula's value."""
        target = self.target
        match node:
            case ast.Name(id=name):
                return self.operands[name]
            case ast.Constant(value=int() | float() as value):
                return target.number(float(value))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return target.number(-float(value))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return target.negated(self.of(operand))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return target.called(name, [self.of(each) for each in arguments])
        return self._joined(node)

    def _joined(self, node: ast.expr) -> T:
        target = self.target
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return target.combined(_COMBINED[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return target.compared(_COMPARED[type(op)], self.of(left), self.of(right))
            case ast.BoolOp(op=ast.Or(), values=[first, second]):
                return target.either(self.of(first), self.of(second))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return target.chosen(self.of(test), self.of(body), self.of(orelse))
        raise ValueError(f"the table has a formula that nobody can write: {ast.dump(node)}")


@cache
def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def write(activation: str, x: T, target: Target[T]) -> T:
    """The activation of `x` in the target's language."""
    trace = vectorized(ACTIVATIONS.get(activation), 1)
    slots: dict[int, T] = {0: x, **{slot: target.number(value) for slot, value in trace.constants.items()}}
    for step in trace.steps:
        operands = {"a": slots[step.a], "b": slots[step.b]}
        value = _Formula(target, operands).of(_parsed(BY_SYMBOL[step.symbol].forward))
        slots[step.out] = target.step(value)
    return slots[trace.root]


class Source:
    """A language that is text: expressions as strings, each step put in a variable of its own."""

    def __init__(
        self,
        functions: Mapping[str, str],
        *,
        choice: str = "({0} ? {1} : {2})",
        either: str = "({0} || {1})",
        unequal: str = "!=",
        assign: Callable[[str, str], str] | None = None,
    ) -> None:
        self._functions, self._choice, self._either = functions, choice, either
        self._unequal, self._assign = unequal, assign
        self.used: set[str] = set()
        self.lines: list[str] = []

    def number(self, value: float) -> str:
        """Its shortest digits; a negative one in brackets."""
        return repr(value) if value >= 0 else f"({value!r})"

    def negated(self, a: str) -> str:
        """−a."""
        return f"(-{a})"

    def combined(self, sign: str, a: str, b: str) -> str:
        """Sums, differences, products."""
        return f"({a} {sign} {b})"

    def compared(self, sign: str, a: str, b: str) -> str:
        """A condition."""
        return f"({a} {self._unequal if sign == '!=' else sign} {b})"

    def either(self, a: str, b: str) -> str:
        """One condition or the other."""
        return self._either.format(a, b)

    def chosen(self, test: str, a: str, b: str) -> str:
        """a where the test holds, else b."""
        return self._choice.format(test, a, b)

    def called(self, function: str, arguments: list[str]) -> str:
        """A function of the table, in the language's own words."""
        self.used.add(function)
        return self._functions[function].format(*arguments)

    def step(self, value: str) -> str:
        """A new variable with the value, where the language has variables."""
        if self._assign is None:
            return value
        name = f"t{len(self.lines) + 1}"
        self.lines.append(self._assign(name, value))
        return name


def activation_lines(activation: str, source: Source, x: str = "x") -> tuple[list[str], str]:
    """The statements of an activation of the variable `x`, and the expression that is its result."""
    source.lines = []
    result = write(activation, x, source)
    return source.lines, result
