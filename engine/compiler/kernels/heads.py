"""What stands on top of a network: scores, loss, metrics, and the loss's slopes by the scores.

Two kinds: dots.py for a single output or a few classes, whose scores are dot products; classes.py for more,
whose scores a matrix kernel has made. Here is what they share. Rows past the batch's end count nothing and
have slope 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.autograd.value import Value
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.vectors import ZERO, Vectors

TALLIES = 3
"""Sums kept as vectors of doubles: the weighted loss; hits, or squared errors; absolute errors."""

Kind = Literal["classes", "regression"]


@dataclass(frozen=True, slots=True)
class Measure:
    """The loss and what is tallied beside it.

    `function` is the loss of one score and its target; `divisor` what a row's loss is divided by (the
    outputs, where the mean is over elements). `targets` are the two values a class indicator takes.
    """

    function: Callable[..., Value]
    divisor: int
    kind: Kind
    targets: tuple[float, float]
    weighted: bool
    training: bool


class Tally:
    """The sums of one pass of a head, in registers; `%sums` holds those of the epoch."""

    def __init__(self, code: Vectors, measure: Measure) -> None:
        self._code = code
        self.count = TALLIES if measure.kind == "regression" else TALLIES - 1

    @property
    def start(self) -> list[tuple[str, str]]:
        """What a loop over rows carries."""
        return [(self._code.real.vector, ZERO)] * self.count

    def write(self, totals: list[Vector]) -> None:
        """Adds a pass's sums to the epoch's."""
        for i, total in enumerate(totals[: self.count]):
            add_to_sums(self._code, i, total)


def add_to_sums(code: Vectors, position: int, total: Vector) -> None:
    """Adds a vector to one of the epoch's sums, which are doubles whatever the arithmetic."""
    lanes, wide = code.real.lanes, f"<{code.real.lanes} x double>"
    if code.real.bits == 32:
        total = code.value(f"fpext {code.real.vector} {total} to {wide}")
    address = code.value(f"getelementptr inbounds double, ptr %sums, i64 {position * lanes}")
    before = code.value(f"load {wide}, ptr {address}, align 64")
    after = code.value(f"fadd {wide} {before}, {total}")
    code.do(f"store {wide} {after}, ptr {address}, align 64")


class Batch:
    """A batch's rows as the heads see them: which count, and what slope each has in the mean."""

    def __init__(self, code: Vectors, measure: Measure) -> None:
        self._code, self._measure = code, measure
        count = code.value(f"sitofp i64 %count to {code.real.name}")
        if measure.divisor > 1:
            divisor = code.real.literal(float(measure.divisor))
            count = code.value(f"fmul {code.real.name} {count}, {divisor}")
        one = code.real.literal(1.0)
        self.share = code.splat(code.value(f"fdiv {code.real.name} {one}, {count}"))

    def mask(self, row: Index) -> str:
        """The lanes of a group of rows that are in the batch."""
        return self._code.first_lanes(str(self._code.subtract("%count", row)))

    def weigh(self, loss: Vector, weight: Callable[[], Vector]) -> Vector:
        """A loss times its row's weight."""
        return self._code.times(loss, weight()) if self._measure.weighted else loss

    def seed(self, weight: Callable[[], Vector]) -> Vector:
        """The slope of the batch's mean by a row's loss."""
        return self._code.times(self.share, weight()) if self._measure.weighted else self.share
