"""From a traced scalar function to vector instructions, forward and in reverse.

A function of Values is called once on leaves; what it leaves behind is a graph of primitives. Each
node's formula in the table of primitives is translated to instructions, and for derivatives the graph
is walked backward with the formulas of the partials. Constants are folded by the scalar functions of
the table itself.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from typing import Any

from engine.autograd.primitives import BY_SYMBOL, SCALAR_FUNCTIONS
from engine.autograd.value import Value, graph
from engine.compiler.assembly import elementary
from engine.compiler.assembly.vectors import Vectors

Term = float | str
"""A constant known now, or a register."""

_ARITHMETIC: dict[type[ast.operator], tuple[Callable[[float, float], float], str]] = {
    ast.Add: (operator.add, "plus"),
    ast.Sub: (operator.sub, "minus"),
    ast.Mult: (operator.mul, "times"),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[Callable[[float, float], bool], str]] = {
    ast.Gt: (operator.gt, "ogt"),
    ast.GtE: (operator.ge, "oge"),
    ast.Lt: (operator.lt, "olt"),
    ast.LtE: (operator.le, "ole"),
    ast.Eq: (operator.eq, "oeq"),
    ast.NotEq: (operator.ne, "une"),
}
_FUNCTIONS: dict[str, Callable[..., str]] = {
    "abs": Vectors.magnitude,
    "divide": Vectors.over,
    "erf": elementary.erf,
    "exp": elementary.exp,
    "expm1": elementary.expm1,
    "log": elementary.log,
    "log1p": elementary.log1p,
    "sqrt": Vectors.root,
    "tanh": elementary.tanh,
}


@cache
def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


class Formula:
    """Translates the table's formulas, for given operands `a`, `b` and result `o`."""

    def __init__(self, code: Vectors, operands: Mapping[str, Term]) -> None:
        self._code, self._operands = code, operands

    def term(self, formula: str) -> Term:
        """The formula's value."""
        return self._term(_parsed(formula))

    def scaled(self, formula: str, slope: Term) -> Term:
        """The formula times `slope`; a choice between constants chooses between multiples."""
        tree = _parsed(formula)
        if isinstance(tree, ast.IfExp) and not isinstance(mask := self._test(tree.test), bool):
            branches = [self._term(branch) for branch in (tree.body, tree.orelse)]
            if all(isinstance(branch, float) for branch in branches):
                chosen, otherwise = (product(self._code, branch, slope) for branch in branches)
                return self._code.either(mask, chosen, otherwise)
        return product(self._code, self._term(tree), slope)

    def _term(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=float() as value):
                return value
            case ast.Name(id=name):
                return self._operands[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._term(operand)
                return -inner if isinstance(inner, float) else self._code.negative(inner)
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(type(op), self._term(left), self._term(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._choice(test, body, orelse)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(name, [self._term(argument) for argument in args])
        raise AssertionError(ast.dump(node))  # the table is ours

    def _arithmetic(self, kind: type[ast.operator], a: Term, b: Term) -> Term:
        fold, emit = _ARITHMETIC[kind]
        if isinstance(a, float) and isinstance(b, float):
            return fold(a, b)
        result: str = getattr(self._code, emit)(a, b)
        return result

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Term:
        mask = self._test(test)
        if isinstance(mask, bool):
            return self._term(body if mask else orelse)
        return self._code.either(mask, self._term(body), self._term(orelse))

    def _test(self, node: ast.expr) -> str | bool:
        if isinstance(node, ast.BoolOp):
            first, second = (self._test(part) for part in node.values)
            if isinstance(first, bool) or isinstance(second, bool):
                return second if first is False else first if second is False else True
            return self._code.both("or", first, second)
        if not isinstance(node, ast.Compare):
            raise AssertionError(ast.dump(node))  # the table has no other tests
        fold, predicate = _COMPARISONS[type(node.ops[0])]
        a, b = self._term(node.left), self._term(node.comparators[0])
        if isinstance(a, float) and isinstance(b, float):
            return fold(a, b)
        return self._code.compare(predicate, a, b)

    def _call(self, name: str, arguments: list[Term]) -> Term:
        if all(isinstance(argument, float) for argument in arguments):
            return float(SCALAR_FUNCTIONS[name](*arguments))
        if name == "power":
            return _power(self._code, *arguments)
        return _FUNCTIONS[name](self._code, *map(self._vector, arguments))

    def _vector(self, term: Term) -> str:
        return self._code.constant(term) if isinstance(term, float) else term


def product(code: Vectors, a: Term, b: Term) -> Term:
    """a · b, where a 0 is a 0, a 1 changes nothing and −1 is a sign."""
    for x, y in ((a, b), (b, a)):
        if isinstance(x, float) and x in (0.0, 1.0, -1.0):
            if x == 0.0:
                return 0.0
            return y if x == 1.0 else (-y if isinstance(y, float) else code.negative(y))
    return a * b if isinstance(a, float) and isinstance(b, float) else code.times(a, b)


def _power(code: Vectors, a: Term, b: Term) -> str:
    """aᵇ; a small whole or half exponent that is known needs no logarithm."""
    if isinstance(b, float) and isinstance(a, str):
        if b == 0.5:
            return code.root(a)
        if b == int(b) and 0 < abs(b) <= 64:
            raised = _whole_power(code, a, int(abs(b)))
            return raised if b > 0 else code.over(1.0, raised)
    vectors = [code.constant(x) if isinstance(x, float) else x for x in (a, b)]
    return elementary.power(code, *vectors)


def _whole_power(code: Vectors, a: str, n: int) -> str:
    """aⁿ by squaring."""
    factors, square = [], a
    while n:
        if n & 1:
            factors.append(square)
        n >>= 1
        square = code.times(square, square) if n else square
    return reduce(code.times, factors)


class Trace:
    """The graph that a function of `arity` Values leaves."""

    def __init__(self, function: Callable[..., Value], arity: int) -> None:
        self.leaves = [Value(0.5) for _ in range(arity)]
        self.root = function(*self.leaves)
        self.nodes = graph(self.root)

    @property
    def is_identity(self) -> bool:
        """Whether the function returns its first operand."""
        return self.root is self.leaves[0]

    @property
    def slope_from_result(self) -> str | None:
        """The formula of the slope where it needs only the result `o`: one primitive, such as tanh."""
        if self.root.operands != (self.leaves[0],):
            return None
        formula = BY_SYMBOL[self.root.op].partials[0]
        names = {node.id for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Name)}
        return formula if names <= {"o"} else None

    @property
    def text(self) -> str:
        """The graph in words: of each node its operation and the positions of what it reads."""
        positions = {id(node): k for k, node in enumerate(self.nodes)}
        leaves = {id(leaf): f"leaf {k}" for k, leaf in enumerate(self.leaves)}
        return ", ".join(
            " ".join([node.op, *(str(positions[id(operand)]) for operand in node.operands)])
            if node.op
            else leaves.get(id(node), repr(node.data))
            for node in self.nodes
        )

    @property
    def is_cheap(self) -> bool:
        """Whether a few instructions compute it: no call of a function."""
        rows = [BY_SYMBOL[node.op] for node in self.nodes if node.op]
        return not any(isinstance(n, ast.Call) for row in rows for n in ast.walk(_parsed(row.forward)))


class Lowered:
    """A graph in instructions: its values now, its derivatives when asked."""

    def __init__(self, code: Vectors, nodes: Sequence[Value], known: Mapping[int, Term]) -> None:
        """`known` gives leaves, by id, their registers; the other leaves are constants."""
        self._code, self._nodes = code, nodes
        self._terms: dict[int, Term] = dict(known)
        for node in nodes:
            if id(node) not in self._terms:
                self._terms[id(node)] = (
                    self._formula(node).term(BY_SYMBOL[node.op].forward) if node.op else node.data
                )

    def term(self, node: Value) -> Term:
        """A node's value."""
        return self._terms[id(node)]

    def vector(self, node: Value) -> str:
        """A node's value in a register."""
        term = self.term(node)
        return self._code.constant(term) if isinstance(term, float) else term

    def _formula(self, node: Value) -> Formula:
        operands: dict[str, Any] = dict(zip("ab", (self._terms[id(v)] for v in node.operands), strict=False))
        if id(node) in self._terms:
            operands["o"] = self._terms[id(node)]
        return Formula(self._code, operands)

    def slopes(self, root: Value, seed: Term, wanted: Sequence[Value]) -> list[Term]:
        """seed · ∂root/∂x for each wanted leaf x."""
        reaching = _reaching(self._nodes, wanted)
        slopes: dict[int, Term] = {id(root): seed}
        for node in reversed(self._nodes):
            if not node.op or id(node) not in slopes:
                continue
            formula, slope = self._formula(node), slopes[id(node)]
            for operand, partial in zip(node.operands, BY_SYMBOL[node.op].partials, strict=True):
                if id(operand) in reaching:
                    share = formula.scaled(partial, slope)
                    if not _is_harmless(partial):
                        share = self._stopped(share, slope)
                    self._accumulate(slopes, operand, share)
        return [slopes.get(id(x), 0.0) for x in wanted]

    def _stopped(self, share: Term, slope: Term) -> Term:
        """A share of a slope, 0 where the slope is: a way not taken leaks no NaN, as in Value."""
        if isinstance(share, float) or isinstance(slope, float) or share == slope:
            return share
        return self._code.either(self._code.compare("oeq", slope, 0.0), 0.0, share)

    def _accumulate(self, slopes: dict[int, Term], operand: Value, share: Term) -> None:
        before = slopes.get(id(operand), 0.0)
        if before == 0.0 or share == 0.0:
            slopes[id(operand)] = share if before == 0.0 else before
        elif isinstance(before, float) and isinstance(share, float):
            slopes[id(operand)] = before + share
        else:
            slopes[id(operand)] = self._code.plus(before, share)


def _is_harmless(partial: str) -> bool:
    """Whether a partial is a number or a choice between numbers, which leaves a slope of 0 what it is."""
    tree = _parsed(partial)
    parts = [tree.body, tree.orelse] if isinstance(tree, ast.IfExp) else [tree]
    return not any(isinstance(node, ast.Name | ast.Call) for part in parts for node in ast.walk(part))


def _reaching(nodes: Iterable[Value], wanted: Sequence[Value]) -> set[int]:
    """The ids of the nodes through which a wanted leaf reaches the result."""
    found = {id(x) for x in wanted}
    for node in nodes:
        if any(id(operand) in found for operand in node.operands):
            found.add(id(node))
    return found


def uses(nodes: Iterable[Value]) -> Counter[int]:
    """How often each node is an operand."""
    return Counter(id(operand) for node in nodes for operand in node.operands)


def lowered(code: Vectors, trace: Trace, operands: Sequence[Term]) -> Lowered:
    """A trace with registers for its leaves."""
    known = {id(leaf): term for leaf, term in zip(trace.leaves, operands, strict=True)}
    return Lowered(code, trace.nodes, known)
