"""The one table of scalar operations, from which every interpreter of the engine is made.

A row gives an operation's value and its partial derivatives as formulas in a small language: the
operands `a` and `b`, the result `o`, numbers, `+ - *`, comparisons in `x if test else y`, and the
functions of `SCALAR_FUNCTIONS`. `value.py` turns each row into a method of Value, `vectorized.py`
into NumPy, the compiler into vector instructions, and `gradcheck.py` into a test.

Edges are part of the table and hold in every interpreter: nothing raises, exp overflows to infinity,
log 0 is −infinity, log and sqrt of a negative number are NaN, x/0 is ±infinity (0/0 NaN), NaN goes
through relu, and relu and abs have slope 0 at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


def divide(a: float, b: float) -> float:
    """a / b as IEEE 754 has it: by zero, a signed infinity or NaN."""
    if b != 0.0:
        return a / b
    if a == 0.0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def exp(a: float) -> float:
    """eᵃ, infinite where it overflows."""
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def expm1(a: float) -> float:
    """eᵃ − 1 without cancellation near 0, infinite where it overflows."""
    try:
        return math.expm1(a)
    except OverflowError:
        return math.inf


def log(a: float) -> float:
    """The natural logarithm: −infinity at 0, NaN below."""
    if a > 0.0:
        return math.log(a)
    return -math.inf if a == 0.0 else math.nan


def log1p(a: float) -> float:
    """log(1 + a) without cancellation near 0: −infinity at −1, NaN below."""
    if a > -1.0:
        return math.log1p(a)
    return -math.inf if a == -1.0 else math.nan


def sqrt(a: float) -> float:
    """The square root, NaN below 0."""
    return math.sqrt(a) if a >= 0.0 else math.nan


def power(a: float, b: float) -> float:
    """aᵇ over the reals, as C's pow: NaN for a negative base and a broken exponent, 0**−1 = infinity."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0.0 and b % 2.0 == 1.0 else math.inf
    except ValueError:
        if a != 0.0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2.0 == 1.0 else math.inf


SCALAR_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "divide": divide,
    "erf": math.erf,
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "power": power,
    "sqrt": sqrt,
    "tanh": math.tanh,
}


@dataclass(frozen=True, slots=True)
class Primitive:
    """One scalar operation: what it gives and how it leans on each operand.

    `symbol` is what a drawing shows and what Value.op holds; `sample` is the interval from which the
    derivative check draws operands, chosen to stay inside the domain.
    """

    name: str
    symbol: str
    forward: str
    partials: tuple[str, ...]
    sample: tuple[float, float] = (-2.0, 2.0)

    @property
    def arity(self) -> int:
        """The number of operands, 1 or 2."""
        return len(self.partials)


_TABLE = (
    Primitive("add", "+", "a + b", ("1.0", "1.0")),
    Primitive("subtract", "-", "a - b", ("1.0", "-1.0")),
    Primitive("multiply", "*", "a * b", ("b", "a")),
    Primitive("divide", "/", "divide(a, b)", ("divide(1.0, b)", "-divide(o, b)"), (0.5, 2.0)),
    Primitive(
        "power",
        "**",
        "power(a, b)",
        ("b * power(a, b - 1.0) if b != 0.0 else 0.0", "o * log(a) if a != 0.0 else 0.0"),
        (0.5, 2.0),
    ),
    Primitive("negate", "neg", "-a", ("-1.0",)),
    Primitive("tanh", "tanh", "tanh(a)", ("1.0 - o * o",)),
    # Written so that NaN, which compares false with everything, comes out as NaN.
    Primitive("relu", "ReLU", "0.0 if a < 0.0 else a", ("1.0 if o > 0.0 else 0.0",)),
    Primitive("sigmoid", "sigmoid", "divide(1.0, 1.0 + exp(-a))", ("o * (1.0 - o)",)),
    Primitive(
        "softplus",
        "softplus",
        "(0.0 if a < 0.0 else a) + log1p(exp(-abs(a)))",
        ("divide(1.0, 1.0 + exp(-a))",),
    ),
    Primitive("exp", "exp", "exp(a)", ("o",)),
    Primitive("expm1", "expm1", "expm1(a)", ("o + 1.0",)),
    Primitive("log", "log", "log(a)", ("divide(1.0, a)",), (0.5, 2.0)),
    Primitive("sqrt", "sqrt", "sqrt(a)", ("divide(0.5, o)",), (0.5, 2.0)),
    Primitive("abs", "abs", "abs(a)", ("1.0 if a > 0.0 else (-1.0 if a < 0.0 else 0.0)",)),
    Primitive("erf", "erf", "erf(a)", ("1.1283791670955126 * exp(-(a * a))",)),  # 2/√π
    # Ties go to the first operand; NaN in either comes out.
    Primitive(
        "maximum",
        "max",
        "a if a >= b or a != a else b",
        ("1.0 if a >= b or a != a else 0.0", "0.0 if a >= b or a != a else 1.0"),
    ),
    Primitive(
        "minimum",
        "min",
        "a if a <= b or a != a else b",
        ("1.0 if a <= b or a != a else 0.0", "0.0 if a <= b or a != a else 1.0"),
    ),
    # Comparisons give 1 or 0 and have no slope.
    Primitive("greater", ">", "1.0 if a > b else 0.0", ("0.0", "0.0")),
    Primitive("greater_equal", ">=", "1.0 if a >= b else 0.0", ("0.0", "0.0")),
    # `gate` and its complement choose without arithmetic, so that the way not taken cannot leak a NaN.
    Primitive("gate", "gate", "b if a != 0.0 else 0.0", ("0.0", "1.0 if a != 0.0 else 0.0")),
    Primitive("unless", "unless", "0.0 if a != 0.0 else b", ("0.0", "0.0 if a != 0.0 else 1.0")),
    # log(eᵃ + eᵇ); folded over a row of scores it is the log-sum-exp under the softmax.
    Primitive(
        "logaddexp",
        "logaddexp",
        "(a if a >= b or a != a else b) + (log1p(exp(-abs(a - b))) if a != b else 0.6931471805599453)",
        ("exp(a - o)", "exp(b - o)"),
    ),
)

PRIMITIVES: dict[str, Primitive] = {row.name: row for row in _TABLE}
BY_SYMBOL: dict[str, Primitive] = {row.symbol: row for row in _TABLE}
