"""Heads over several outputs: scores `[panel][row][class]` become the loss's slopes by them, in place.

A row's target is the number of its class. See heads.py for what the heads have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from engine.compiler import elementary
from engine.compiler.dense import Rows
from engine.compiler.heads import Batch, Measure, Tally
from engine.compiler.ir import Index, Vector
from engine.compiler.layout import Panels
from engine.compiler.lower import Trace, lowered
from engine.compiler.module import Module
from engine.compiler.vectors import ZERO, Vectors

_PARAMETERS = ["%z*", "%y*", "%r*", "%sums*", "%count", "%rows"]


@dataclass(frozen=True, slots=True)
class ClassHead:
    """A head over `outputs`; `softmax` where the loss is the cross entropy, which has code of its own."""

    outputs: Panels
    rows: Rows
    measure: Measure
    softmax: bool


def class_head(module: Module, spec: ClassHead) -> str:
    """The kernel `(scores, classes, weights, sums; count, rows)`."""
    narrow = spec.softmax and spec.outputs.count == 1
    emit = _narrow_softmax if narrow else _wide
    return module.define(spec, "class_head", _PARAMETERS, lambda code: emit(code, spec))


def _narrow_softmax(code: Vectors, spec: ClassHead) -> None:
    tally, batch = Tally(code, spec.measure), Batch(code, spec.measure)

    def group(row: Index, totals: list[str]) -> list[str]:
        scores = _transposed_scores(code, spec, row)
        greatest, winner = scores[0], code.constant(0.0)
        for c, score in enumerate(scores[1:], start=1):
            above = code.compare("ogt", score, greatest)
            greatest, winner = code.either(above, score, greatest), code.either(above, float(c), winner)
        powers = [elementary.exp(code, code.minus(score, greatest)) for score in scores]
        total, label = reduce(code.plus, powers), code.load("%y", row)
        chosen = [code.compare("oeq", label, float(c)) for c in range(len(scores))]
        own = reduce(lambda s, pair: code.either(pair[0], pair[1], s), zip(chosen, scores, strict=True), ZERO)
        loss = code.plus(elementary.log(code, total), code.minus(greatest, own))

        def weight() -> Vector:
            return code.load("%r", row)

        mask = batch.mask(row)
        hit = code.either(code.compare("oeq", winner, label), 1.0, 0.0)
        if spec.measure.training:
            seed = code.either(mask, batch.seed(weight), 0.0)
            scale = code.over(seed, total)
            slopes = [
                code.fma(power, scale, code.either(is_own, code.negative(seed), 0.0))
                for power, is_own in zip(powers, chosen, strict=True)
            ]
            _store_transposed(code, spec, row, slopes)
        return [
            code.plus(totals[0], code.either(mask, batch.weigh(loss, weight), 0.0)),
            code.plus(totals[1], code.either(mask, hit, 0.0)),
        ]

    tally.write(code.loop(0, spec.rows.tiled, code.real.lanes, tally.start, group))


def _place(code: Vectors, spec: ClassHead, row: Index) -> str:
    return code.at("%z", code.multiply(row, spec.outputs.width))


def _transposed_scores(code: Vectors, spec: ClassHead, row: Index) -> list[Vector]:
    """One vector a class, its lanes being the rows of a group."""
    lanes, width, here = code.real.lanes, spec.outputs.width, _place(code, spec, row)
    columns: list[Vector] = []
    for v in range(spec.outputs.vectors):
        columns += code.transposed([code.load(here, r * width + v * lanes) for r in range(lanes)])
    return columns[: spec.outputs.size]


def _store_transposed(code: Vectors, spec: ClassHead, row: Index, columns: list[Vector]) -> None:
    lanes, width, here = code.real.lanes, spec.outputs.width, _place(code, spec, row)
    columns = columns + [ZERO] * (width - len(columns))
    for v in range(spec.outputs.vectors):
        for r, vector in enumerate(code.transposed(columns[v * lanes : (v + 1) * lanes])):
            code.store(vector, here, r * width + v * lanes)


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
        loss = line.softmax(greatest, seed) if spec.softmax else line.elementwise(seed)
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
            power = code.either(live, elementary.exp(code, code.minus(scores, greatest)), 0.0)
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
