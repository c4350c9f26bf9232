"""What stands on top of a network: scores, loss, metrics, and the loss's slopes by the scores.

Three kinds: `dot` for one output unit, whose score, loss, slope and weight gradient come out of one pass
over groups of rows (lanes are rows); `softmax` for the cross entropy of up to a panel of classes
(transposed, so that lanes are rows again); `wide` for any other loss or more classes (lanes are classes).
Rows past the batch's end count nothing and have slope 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from engine.autograd.value import Value
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.dense import STORED, Rows, Slope, sloped
from engine.compiler.kernels.layout import LayerLayout, Panels

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


@dataclass(frozen=True, slots=True)
class DotHead:
    """One output unit. `slope` is the rule of the layer below, None without gradient for it."""

    layout: LayerLayout
    rows: Rows
    activation: Callable[[Value], Value]
    measure: Measure
    below: bool
    slope: Slope


_PARAMETERS = ["%a*", "%w*", "%y*", "%r*", "%z*", "%s*", "%d*", "%sums*", "%count", "%rows"]


def dot_head(module: Module, spec: DotHead) -> str:
    """The kernel of a single output unit: scores, loss, gradient, and slopes in place of the inputs.

    Arguments: inputs, parameters, targets, weights, scratch, stored slopes, gradient, sums; count, rows.
    """
    return module.define(spec, "dot_head", _PARAMETERS, lambda code: _dot_head(code, spec))


def _dot_head(code: Vectors, spec: DotHead) -> None:
    tally, batch = Tally(code, spec.measure), Batch(code, spec.measure)
    fused = spec.measure.training and spec.layout.inputs.count == 1
    lanes, vectors = code.real.lanes, spec.layout.inputs.vectors
    weights = (
        [code.load("%w", (1 + v) * lanes) for v in range(vectors)] if spec.layout.inputs.count == 1 else []
    )
    bias = code.spread("%w")
    carried = [*tally.start, (code.real.vector, ZERO)]
    own = len(carried)
    carried += [(code.real.vector, ZERO)] * (vectors if fused else 0)

    def group(row: Index, totals: list[str]) -> list[str]:
        score = code.plus(dot_products(code, spec.layout.inputs, spec.rows, row, weights), bias)
        slope, sums = _score(code, spec, batch, (score, row), totals[: own - 1])
        if not spec.measure.training:
            return [*sums, ZERO]
        code.store(slope, "%z", row)
        sums.append(code.plus(totals[own - 1], slope))
        return sums + (_group_gradient(code, spec, (row, 0), weights, totals[own:]) if fused else [])

    totals = code.loop(0, spec.rows.tiled, lanes, carried, group)
    tally.write(totals)
    if spec.measure.training:
        if not fused:
            panels = spec.layout.inputs.count
            code.loop(0, panels, 1, [], lambda panel, _: _dot_gradient(code, spec, panel))
        for v, gradient in enumerate(totals[own:]):
            code.store(_live(code, spec.layout.inputs, v, gradient), "%d", (1 + v) * lanes)
        bias_slope = code.sum(totals[own - 1])
        code.store(
            code.value(f"insertelement {code.real.vector} {ZERO}, {code.real.name} {bias_slope}, i64 0"), "%d"
        )


def _live(code: Vectors, inputs: Panels, vector: int, gradient: Vector) -> Vector:
    """A gradient without what the padding of the inputs (activation(0) need not be 0) put into it."""
    live = inputs.size - vector * code.real.lanes
    return gradient if live >= code.real.lanes else code.either(code.first_lanes(str(live)), gradient, 0.0)


def dot_products(code: Vectors, inputs: Panels, rows: Rows, row: Index, weights: list[Vector]) -> Vector:
    """Lane k: the dot product of row k of the group from `row` with the weights.

    `weights` are registers that hold them all, or none: then they are read from `%w`, past the bias.
    """
    lanes = code.real.lanes
    live = rows.in_group(lanes)

    def panel(k: Index, sums: list[str]) -> list[str]:
        offset = code.add(code.multiply(k, rows.capacity * inputs.width), code.multiply(row, inputs.width))
        base, place = code.at("%a", offset), code.add(code.multiply(k, inputs.width), lanes)
        loaded = weights or [code.load("%w", code.add(place, v * lanes)) for v in range(inputs.vectors)]
        sums = list(sums)
        for r in range(live):
            for v, weight in enumerate(loaded):
                sums[r] = code.fma(code.load(base, r * inputs.width + v * lanes), weight, sums[r])
        return sums

    sums = code.loop(0, inputs.count, 1, [(code.real.vector, ZERO)] * live, panel)
    return code.sums(sums + [ZERO] * (lanes - live))


def _score(
    code: Vectors, spec: DotHead, batch: Batch, at: tuple[Vector, Index], totals: list[Vector]
) -> tuple[Vector, list[Vector]]:
    """For a group's sums and first row: the loss's slopes by the sums, and the tallies with this group."""
    score, row = at
    activation, loss = Trace(spec.activation, 1), Trace(spec.measure.function, 2)
    activated = lowered(code, activation, [score])
    result, target, mask = activated.vector(activation.root), code.load("%y", row), batch.mask(row)
    losses = lowered(code, loss, [result, target])
    weight = partial(code.load, "%r", row)
    term = code.either(mask, batch.weigh(losses.vector(loss.root), weight), 0.0)
    measured = _measured(code, spec.measure.kind, (result, target, mask), totals[1:])
    sums = [code.plus(totals[0], term), *measured]
    if not spec.measure.training:
        return ZERO, sums
    seed = code.either(mask, batch.seed(weight), 0.0)
    slope = losses.slopes(loss.root, seed, loss.leaves[:1])[0]
    slope = activated.slopes(activation.root, slope, activation.leaves)[0]
    return (slope if isinstance(slope, str) else code.constant(slope)), sums


def _measured(
    code: Vectors, kind: Kind, group: tuple[Vector, Vector, str], totals: list[Vector]
) -> list[Vector]:
    """The tallies beside the loss with a group's scores, targets and mask."""
    score, target, mask = group
    if kind == "classes":
        differ = code.both("xor", code.compare("ogt", score, 0.0), code.compare("ogt", target, 0.0))
        return [code.plus(totals[0], code.either(mask, code.either(differ, 0.0, 1.0), 0.0))]
    error = code.either(mask, code.minus(score, target), 0.0)
    return [code.fma(error, error, totals[0]), code.plus(totals[1], code.magnitude(error))]


def _group_gradient(
    code: Vectors, spec: DotHead, at: tuple[Index, Index], weights: list[Vector], totals: list[Vector]
) -> list[Vector]:
    """A group's (by row and panel) share of the weights' gradient, and the slopes of the layer below."""
    (row, panel), inputs, lanes, totals = at, spec.layout.inputs, code.real.lanes, list(totals)
    live = spec.rows.in_group(lanes)
    offset = code.multiply(panel, spec.rows.capacity * inputs.width)
    place = code.add(offset, code.multiply(row, inputs.width))
    a, s = code.at("%a", place), code.at("%s", place)
    slopes = code.at("%z", row)
    for r in range(live):
        slope = code.spread(slopes, r)
        for v, weight in enumerate(weights):
            where = r * inputs.width + v * lanes
            given = code.load(a, where)
            totals[v] = code.fma(slope, given, totals[v])
            if spec.below:
                source = partial(code.load, s, where) if spec.slope == STORED else lambda given=given: given
                code.store(sloped(code, spec.slope, code.times(slope, weight), source), a, where)
    return totals


def _dot_gradient(code: Vectors, spec: DotHead, panel: Index) -> list[str]:
    """One panel of the weights' gradient, over all rows."""
    inputs, lanes = spec.layout.inputs, code.real.lanes
    place = code.add(code.multiply(panel, inputs.width), lanes)
    weights = [code.load("%w", code.add(place, v * lanes)) for v in range(inputs.vectors)]

    def group(row: Index, totals: list[str]) -> list[str]:
        return _group_gradient(code, spec, (row, panel), weights, totals)

    start = [(code.real.vector, ZERO)] * inputs.vectors
    for v, total in enumerate(code.loop(0, spec.rows.tiled, lanes, start, group)):
        first = code.add(code.multiply(panel, inputs.width), v * lanes)
        live = code.first_lanes(str(code.subtract(inputs.size, first)))
        code.store(code.either(live, total, 0.0), "%d", code.add(place, v * lanes))
    return []
