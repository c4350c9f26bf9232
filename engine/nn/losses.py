"""Losses: scalar functions of a row's scores and targets, read by every executor.

An *elementwise* loss looks at one score `s` and its target `y`; a *rowwise* loss at all scores of a row
and its targets, of which one is 1 and the others 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from engine.autograd.value import Value
from engine.registry import Registry


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss and how rows make a batch of it.

    `targets` says what a class becomes: `margin` −1 or +1, `indicator` 0 or 1, `value` margin for two
    classes, indicator for more, the target's own number in a regression. `mean` says what is averaged:
    `rows` (the scores of a row are summed) or `elements`. `probabilities` tells which function of the
    scores the loss fits to the classes' probabilities, if any.
    """

    name: str
    function: Callable[..., Value]
    targets: Literal["margin", "indicator", "value"]
    rowwise: bool = False
    mean: Literal["rows", "elements"] = "rows"
    tasks: tuple[str, ...] = ("binary", "multiclass")
    probabilities: Literal["sigmoid", "softmax"] | None = None

    @property
    def help(self) -> str:
        """One line for people: the function's first docstring line."""
        return (self.function.__doc__ or "").partition("\n")[0]


LOSSES: Registry[Loss] = Registry("loss")

_ANY = ("binary", "multiclass", "regression")


def _loss(
    targets: Literal["margin", "indicator", "value"], **more: Any
) -> Callable[..., Callable[..., Value]]:
    def register(function: Callable[..., Value]) -> Callable[..., Value]:
        LOSSES.add(function.__name__, Loss(function.__name__, function, targets, **more))
        return function

    return register


@_loss("margin")
def hinge(s: Value, y: Value) -> Value:
    """max(0, 1 − y·s): the support vector machine's margin, targets −1 and +1."""
    return (1.0 - y * s).relu()


@_loss("margin")
def squared_hinge(s: Value, y: Value) -> Value:
    """max(0, 1 − y·s)², targets −1 and +1."""
    margin = (1.0 - y * s).relu()
    return margin * margin


@_loss("indicator", probabilities="sigmoid", tasks=("binary",))
def binary_cross_entropy(s: Value, y: Value) -> Value:
    """−log of the probability sigmoid(s) gives the true class, from the raw score; targets 0 and 1."""
    return s.softplus() - y * s


@_loss("indicator", rowwise=True, probabilities="softmax", tasks=("multiclass",))
def cross_entropy(scores: Sequence[Value], targets: Sequence[Value]) -> Value:
    """−log of the probability softmax gives the true class, from the raw scores."""
    chosen = reduce(Value.add, (s * y for s, y in zip(scores, targets, strict=True)))
    return reduce(Value.logaddexp, scores) - chosen


@_loss("value", mean="elements", tasks=_ANY)
def mse(s: Value, y: Value) -> Value:
    """(s − y)², without a ½."""
    error = s - y
    return error * error


@_loss("value", mean="elements", tasks=_ANY)
def mae(s: Value, y: Value) -> Value:
    """|s − y|."""
    return (s - y).abs()


@_loss("value", mean="elements", tasks=_ANY)
def huber(s: Value, y: Value) -> Value:
    """½(s − y)² up to an error of 1, |s − y| − ½ beyond (Huber 1964, δ = 1)."""
    error = (s - y).abs()
    clipped = error.minimum(1.0)
    return clipped * (error - 0.5 * clipped)
