"""A scalar that remembers how it was made, and the derivatives that follow from it."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

from engine.autograd.primitives import PRIMITIVES, SCALAR_FUNCTIONS, Primitive

_marks = itertools.count(1)


class Value:
    """A float with its history: after `backward()` on a result, `grad` is the result's slope along it.

    Each value holds its operands and, computed on the way forward, its local derivatives by them. No
    closures and no parent links: a graph is freed the moment its last result goes out of scope.

    >>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    >>> L = a * b + c
    >>> L.backward()
    >>> L.data, a.grad, b.grad, c.grad
    (4.0, -3.0, 2.0, 1.0)
    """

    __slots__ = ("_a", "_b", "_da", "_db", "_mark", "data", "grad", "label", "op")

    __array_ufunc__ = None  # a NumPy scalar on the left must come to the reflected methods below

    data: float
    grad: float
    label: str
    op: str
    _a: Value | None
    _b: Value | None
    _da: float
    _db: float
    _mark: int

    def __init__(self, data: float, label: str = "") -> None:
        self.data = float(1.0 * data)  # the product refuses strings, which float() would parse
        self.grad = 0.0
        self.label = label
        self.op = ""
        self._a = self._b = None
        self._da = self._db = 0.0
        self._mark = 0

    def __repr__(self) -> str:
        return f"Value(data={self.data})"

    @property
    def operands(self) -> tuple[Value, ...]:
        """The values this one was computed from: none for a leaf, else one or two."""
        return tuple(v for v in (self._a, self._b) if v is not None)

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The slope of this value along each of its operands, in their order."""
        return (self._da, self._db)[: len(self.operands)]

    def __pow__(self, exponent: Operand) -> Value:
        out = self.power(exponent)
        if not isinstance(exponent, Value):
            out._db = 0.0  # a literal exponent is not a variable: no NaN from log of a negative base
        return out

    def __rsub__(self, other: float) -> Value:
        return Value(other).subtract(self)

    def __rtruediv__(self, other: float) -> Value:
        return Value(other).divide(self)

    def __rpow__(self, other: float) -> Value:
        return Value(other).power(self)

    def backward(self) -> None:
        """Adds to the `grad` of every value behind this one the derivative of this one by it.

        Grads of leaves add up over several results, as they must for a loss summed in parts; set them
        to 0.0 in between. Grads of computed values start afresh each time. A RuntimeWarning tells when
        a graph is run through again while its leaves still hold the last run's sums.
        """
        again = self._mark != 0
        order = interior(self)
        if again and any(leaf.grad for node in order for leaf in node.operands if not leaf.op):
            message = (
                "backward() ran through this graph before: leaf grads now hold both runs; zero them first"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        for node in order:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):
            slope = node.grad
            if slope == 0.0:  # a way not taken must not leak: 0 times an infinite slope would be NaN
                continue
            a, b = node._a, node._b
            if a is not None:
                a.grad += node._da * slope
            if b is not None:
                b.grad += node._db * slope

    if TYPE_CHECKING:  # made from the table of primitives, below

        def add(self, other: Operand) -> Value: ...
        def subtract(self, other: Operand) -> Value: ...
        def multiply(self, other: Operand) -> Value: ...
        def divide(self, other: Operand) -> Value: ...
        def power(self, other: Operand) -> Value: ...
        def negate(self) -> Value: ...
        def tanh(self) -> Value: ...
        def relu(self) -> Value: ...
        def sigmoid(self) -> Value: ...
        def softplus(self) -> Value: ...
        def exp(self) -> Value: ...
        def expm1(self) -> Value: ...
        def log(self) -> Value: ...
        def sqrt(self) -> Value: ...
        def abs(self) -> Value: ...
        def erf(self) -> Value: ...
        def maximum(self, other: Operand) -> Value: ...
        def minimum(self, other: Operand) -> Value: ...
        def greater(self, other: Operand) -> Value: ...
        def greater_equal(self, other: Operand) -> Value: ...
        def gate(self, other: Operand) -> Value: ...
        def unless(self, other: Operand) -> Value: ...
        def logaddexp(self, other: Operand) -> Value: ...
        def __add__(self, other: Operand) -> Value: ...
        def __radd__(self, other: float) -> Value: ...
        def __sub__(self, other: Operand) -> Value: ...
        def __mul__(self, other: Operand) -> Value: ...
        def __rmul__(self, other: float) -> Value: ...
        def __truediv__(self, other: Operand) -> Value: ...
        def __neg__(self) -> Value: ...
        def __abs__(self) -> Value: ...


Operand = Value | float

_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__",),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__",),
    "negate": ("__neg__",),
    "abs": ("__abs__",),
}

# Slots are filled in place: calling a constructor would double the price of a node.
_METHOD = """
def method(self{parameter}):
    a = self.data{second}
    o = {forward}
    out = new(Value)
    out.data = o
    out.grad = 0.0
    out.label = ""
    out.op = {symbol!r}
    out._a = self
    out._da = {da}
    out._b = {other}
    out._db = {db}
    out._mark = 0
    return out
"""
_SECOND_OPERAND = """
    if other.__class__ is not Value:
        other = Value(other)
    b = other.data"""


def _method_source(row: Primitive) -> str:
    binary = row.arity == 2
    return _METHOD.format(
        symbol=row.symbol,
        forward=row.forward,
        parameter=", other" if binary else "",
        second=_SECOND_OPERAND if binary else "",
        other="other" if binary else "None",
        da=row.partials[0],
        db=row.partials[1] if binary else "0.0",
    )


def _install(row: Primitive) -> None:
    """Gives Value the method of one row of the table, and the operators that mean the same."""
    namespace: dict[str, Any] = {**SCALAR_FUNCTIONS, "Value": Value, "new": object.__new__}
    exec(_method_source(row), namespace)  # noqa: S102 - the source is our own table, no input reaches it
    method = namespace["method"]
    method.__name__, method.__qualname__ = row.name, f"Value.{row.name}"
    for name in (row.name, *_OPERATORS.get(row.name, ())):
        setattr(Value, name, method)


for _row in PRIMITIVES.values():
    _install(_row)


def interior(root: Value) -> list[Value]:
    """The computed values behind `root`, each after its operands, in an order fixed by the graph alone."""
    done = next(_marks)
    order: list[Value] = []
    stack = [root]
    while stack:
        node = stack[-1]
        if node._mark == -done:  # its operands are in place
            node._mark = done
            order.append(node)
            stack.pop()
        elif node._mark == done or node._a is None:
            node._mark = done
            stack.pop()
        else:
            node._mark = -done
            if node._b is not None and node._b._mark != done:
                stack.append(node._b)
            if node._a._mark != done:
                stack.append(node._a)
    return order


def graph(root: Value) -> list[Value]:
    """Every value behind `root`, leaves included, each after its operands; `root` comes last."""
    found: dict[int, Value] = {}
    for node in interior(root):
        for operand in node.operands:
            found.setdefault(id(operand), operand)
        found[id(node)] = node
    found.setdefault(id(root), root)
    return list(found.values())
