"""Heads over several outputs: scores `[panel][row][class]` become the loss's slopes by them, in place.

A row's target is the number of its class. Up to a panel of classes are transposed, so that lanes are rows;
of more, lanes are classes. See heads.py for what the heads have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Literal

from engine.autograd.value import Value
from engine.compiler.assembly import elementary
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.heads import Batch, Measure, Tally
from engine.compiler.kernels.layout import Panels

_PARAMETERS = ["%z*", "%y*", "%r*", "%sums*", "%count", "%rows"]


LossKind = Literal["softmax", "elements", "rows"]


@dataclass(frozen=True, slots=True)
class ClassHead:
    """A head over `outputs`. `loss` tells which: the cross entropy has code of its own, `elements` looks at
    one score at a time, `rows` at all scores of a row, by its trace."""

    outputs: Panels
    rows: Rows
    measure: Measure
    loss: LossKind


def class_head(module: Module, spec: ClassHead) -> str:
    """The kernel `(scores, classes, weights, sums; count, rows)`."""
    narrow = spec.loss == "rows" or (spec.loss == "softmax" and spec.outputs.count == 1)
    emit = _narrow if narrow else _wide
    return module.define(spec, "class_head", _PARAMETERS, lambda code: emit(code, spec))


def _narrow(code: Vectors, spec: ClassHead) -> None:
    """Group by group, lanes being rows and every class a register."""
    tally, batch = Tally(code, spec.measure), Batch(code, spec.measure)

    def group(row: Index, totals: list[str]) -> list[str]:
        scores, label, mask = _transposed_scores(code, spec, row), code.load("%y", row), batch.mask(row)
        weight = partial(code.load, "%r", row)
        seed = code.either(mask, batch.seed(weight), 0.0)
        loss, hit, slopes = class_losses(code, (spec.measure, spec.loss), scores, label, seed)
        if spec.measure.training:
            _store_transposed(code, spec, row, slopes)
        return [
            code.plus(totals[0], code.either(mask, batch.weigh(loss, weight), 0.0)),
            code.plus(totals[1], code.either(mask, hit, 0.0)),
        ]

    tally.write(code.loop(0, spec.rows.tiled, code.real.lanes, tally.start, group))


def class_losses(
    code: Vectors, of: tuple[Measure, LossKind], scores: list[Vector], label: Vector, seed: Vector
) -> tuple[Vector, Vector, list[Vector]]:
    """Losses, hits and, in training, slopes by the scores: lanes are rows, `scores` a vector a class."""
    measure, kind = of
    greatest, winner = _best(code, scores)
    hit = code.either(code.compare("oeq", winner, label), 1.0, 0.0)
    if kind == "softmax":
        loss, slopes = _softmax(code, (scores, greatest), label, seed)
    else:
        loss, slopes = _traced(code, of, scores, label, seed)
    return loss, hit, slopes if measure.training else []


def _best(code: Vectors, scores: list[Vector]) -> tuple[Vector, Vector]:
    """The greatest score of each row, and the first class that has it."""
    greatest, winner = scores[0], code.constant(0.0)
    for c, score in enumerate(scores[1:], start=1):
        above = code.compare("ogt", score, greatest)
        greatest, winner = code.either(above, score, greatest), code.either(above, float(c), winner)
    return greatest, winner


def _softmax(
    code: Vectors, given: tuple[list[Vector], Vector], label: Vector, seed: Vector
) -> tuple[Vector, list[Vector]]:
    """The cross entropy of rows, and its slopes by their scores: softmax less the indicator."""
    scores, greatest = given
    powers = [elementary.exp_of_negative(code, code.minus(score, greatest)) for score in scores]
    total = reduce(code.plus, powers)
    chosen = [code.compare("oeq", label, float(c)) for c in range(len(scores))]
    own = reduce(lambda s, pair: code.either(pair[0], pair[1], s), zip(chosen, scores, strict=True), ZERO)
    loss = code.plus(elementary.log(code, total), code.minus(greatest, own))
    scale, minus_seed = code.over(seed, total), code.negative(seed)
    pairs = zip(powers, chosen, strict=True)
    return loss, [code.fma(power, scale, code.either(is_own, minus_seed, 0.0)) for power, is_own in pairs]


def _traced(
    code: Vectors, of: tuple[Measure, LossKind], scores: list[Vector], label: Vector, seed: Vector
) -> tuple[Vector, list[Vector]]:
    """Any loss of a whole row, or the sum of its elements' losses, and its slopes, from its trace."""
    (measure, kind), count = of, len(scores)
    low, high = measure.targets
    targets = [code.either(code.compare("oeq", label, float(c)), high, low) for c in range(count)]

    def of_row(*leaves: Value) -> Value:
        row = leaves[:count], leaves[count:]
        return measure.function(*row) if kind == "rows" else reduce(Value.add, map(measure.function, *row))

    trace = Trace(of_row, 2 * count)
    losses = lowered(code, trace, [*scores, *targets])
    loss, slopes = losses.vector(trace.root), losses.slopes(trace.root, seed, trace.leaves[:count])
    return loss, [slope if isinstance(slope, str) else code.constant(slope) for slope in slopes]


def _places(code: Vectors, spec: ClassHead, row: Index) -> list[str]:
    """Where a row's vectors begin, panel by panel."""
    here, outputs, lanes = code.multiply(row, spec.outputs.width), spec.outputs, code.real.lanes
    panels = [code.add(here, k * spec.rows.capacity * outputs.width) for k in range(outputs.count)]
    return [code.at("%z", code.add(panel, v * lanes)) for panel in panels for v in range(outputs.vectors)]


def _transposed_scores(code: Vectors, spec: ClassHead, row: Index) -> list[Vector]:
    """One vector a class, its lanes being the rows of a group."""
    columns: list[Vector] = []
    for place in _places(code, spec, row):
        columns += code.transposed([code.load(place, r * spec.outputs.width) for r in range(code.real.lanes)])
    return columns[: spec.outputs.size]


def _store_transposed(code: Vectors, spec: ClassHead, row: Index, columns: list[Vector]) -> None:
    lanes = code.real.lanes
    columns = columns + [ZERO] * (spec.outputs.padded - len(columns))
    for k, place in enumerate(_places(code, spec, row)):
        for r, vector in enumerate(code.transposed(columns[k * lanes : (k + 1) * lanes])):
            code.store(vector, place, r * spec.outputs.width)


def _wide(code: Vectors, spec: ClassHead) -> None:
    """Row by row, lanes being classes."""
    tally, batch = Tally(code, spec.measure), Batch(code, spec.measure)

    def one(row: Index, totals: list[str]) -> list[str]:
        counts = code.value(f"icmp slt i64 {row}, %count")
        lanes = f"<{code.real.lanes} x i1>"
        on = code.value(f"select i1 {counts}, {lanes} splat (i1 true), {lanes} zeroinitializer")
        line = _Line(code, spec, row, on)
        greatest, hit = line.best()

        def weight() -> Vector:
            return code.spread("%r", row)

        seed = code.either(on, batch.seed(weight), 0.0)
        loss = line.softmax(greatest, seed) if spec.loss == "softmax" else line.elementwise(seed)
        losses = code.plus(totals[0], code.either(on, batch.weigh(loss, weight), 0.0))
        return [losses, code.plus(totals[1], code.either(on, hit, 0.0))]

    tally.write(code.loop(0, spec.rows.tiled, 1, tally.start, one))


class _Line:
    """One row of scores, visited vector by vector; results for the whole row stand in lane 0 alone."""

    def __init__(self, code: Vectors, spec: ClassHead, row: Index, on: str) -> None:
        self._code, self._spec, self._row, self._on = code, spec, row, on
        self._label = code.spread("%y", row)
        self._first = code.first_lanes("1")

    def _visit(
        self, start: list[Vector], visit: Callable[[str, Vector, Vector, str, list[str]], list[str]]
    ) -> list[str]:
        """Loops over the vectors: address, scores, classes, the mask of real classes, what is carried."""
        code, outputs, lanes = self._code, self._spec.outputs, self._code.real.lanes
        numbers = ", ".join(f"{code.real.name} {code.real.literal(float(k))}" for k in range(lanes))

        def panel(k: Index, carried: list[str]) -> list[str]:
            offset = code.add(
                code.multiply(k, self._spec.rows.capacity * outputs.width),
                code.multiply(self._row, outputs.width),
            )
            for v in range(outputs.vectors):
                address = code.at("%z", code.add(offset, v * lanes))
                first = code.add(code.multiply(k, outputs.width), v * lanes)
                base = code.splat(code.value(f"sitofp i64 {first} to {code.real.name}"))
                classes = code.value(f"fadd {code.real.vector} {base}, <{numbers}>")
                live = code.first_lanes(str(code.subtract(outputs.size, first)))
                carried = visit(address, code.load(address), classes, live, carried)
            return carried

        return code.loop(0, outputs.count, 1, [(code.real.vector, x) for x in start], panel)

    def _alone(self, number: str) -> Vector:
        """A number in lane 0, zeros beside it."""
        return self._code.either(self._first, self._code.splat(number), 0.0)

    def _extreme(self, a: Vector, predicate: str) -> Vector:
        """The greatest (`ogt`) or least (`olt`) lane, in every lane."""
        code, lanes = self._code, self._code.real.lanes
        distance = lanes // 2
        while distance:
            other = code.shuffle(a, a, [lane ^ distance for lane in range(lanes)])
            a = code.either(code.compare(predicate, a, other), a, other)
            distance //= 2
        return a

    def best(self) -> tuple[Vector, Vector]:
        """The greatest score, in every lane, and whether the first class that has it is the label."""
        code = self._code

        def higher(_: str, scores: Vector, __: Vector, live: str, carried: list[str]) -> list[str]:
            above = code.both("and", live, code.compare("ogt", scores, carried[0]))
            return [code.either(above, scores, carried[0])]

        greatest = self._extreme(self._visit([code.constant(float("-inf"))], higher)[0], "ogt")

        def earlier(_: str, scores: Vector, classes: Vector, live: str, carried: list[str]) -> list[str]:
            equal = code.both("and", live, code.compare("oeq", scores, greatest))
            equal = code.both("and", equal, code.compare("olt", classes, carried[0]))
            return [code.either(equal, classes, carried[0])]

        winner = self._extreme(self._visit([code.constant(float("inf"))], earlier)[0], "olt")
        hit = code.either(code.compare("oeq", winner, self._label), 1.0, 0.0)
        return greatest, code.either(self._first, hit, 0.0)

    def softmax(self, greatest: Vector, seed: Vector) -> Vector:
        """The cross entropy; the scores become its slopes."""
        code = self._code

        def raised(address: str, scores: Vector, classes: Vector, live: str, carried: list[str]) -> list[str]:
            power = code.either(live, elementary.exp_of_negative(code, code.minus(scores, greatest)), 0.0)
            own = code.either(code.compare("oeq", classes, self._label), code.minus(scores, greatest), 0.0)
            if self._spec.measure.training:
                code.store(power, address)
            return [code.plus(carried[0], power), code.plus(carried[1], own)]

        total, own = self._visit([ZERO, ZERO], raised)
        total = code.splat(code.sum(total))
        if self._spec.measure.training:
            scale = code.over(seed, total)

            def shared(address: str, power: Vector, classes: Vector, _: str, __: list[str]) -> list[str]:
                own = code.either(code.compare("oeq", classes, self._label), code.negative(seed), 0.0)
                code.store(code.fma(power, scale, own), address)
                return []

            self._visit([], shared)
        return code.either(
            self._first, code.minus(elementary.log(code, total), code.splat(code.sum(own))), 0.0
        )

    def elementwise(self, seed: Vector) -> Vector:
        """The sum of the classes' losses; the scores become its slopes."""
        code, (low, high) = self._code, self._spec.measure.targets
        trace = Trace(self._spec.measure.function, 2)

        def visited(
            address: str, scores: Vector, classes: Vector, live: str, carried: list[str]
        ) -> list[str]:
            target = code.either(code.compare("oeq", classes, self._label), high, low)
            losses = lowered(code, trace, [scores, target])
            if self._spec.measure.training:
                slope = losses.slopes(trace.root, seed, trace.leaves[:1])[0]
                code.store(code.either(live, slope, 0.0), address)
            return [code.plus(carried[0], code.either(live, losses.vector(trace.root), 0.0))]

        return self._alone(code.sum(self._visit([ZERO], visited)[0]))
