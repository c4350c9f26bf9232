"""Rows that the loss has nothing to say about, such as those beyond a margin, are left out of the way back.

Their slopes are 0, and a slope of 0 goes nowhere. Where an eighth of a batch or more is such, the other rows,
called *active*, move up in their order, and slopes go back through these few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.layout import Panels

LEAST = 16
"""Rows of a batch that are worth a look: more than any tile, whose rows are computed in any case."""
WORTHWHILE = 7, 8
"""The share of active rows from which on moving them costs more than it spares."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A batch's slopes by the scores of so many `outputs`: `[output][row]`."""

    outputs: int
    rows: Rows


def selection(module: Module, spec: Selection) -> str:
    """The kernel `(slopes, active; count)`: lists the active rows, and moves their slopes up, zeros behind.

    `active` (64-bit integers) gets their positions, and how many there are at `spec.rows.capacity`. That is
    `count` where it is not worthwhile, and nothing has moved then.
    """
    return module.define(
        spec, "selection", ["%z*", "%active*", "%count"], lambda code: _emit_selection(code, spec)
    )


def _emit_selection(code: Vectors, spec: Selection) -> None:
    integer = f"i{code.real.bits}"

    def look(row: Index, active: list[str]) -> list[str]:
        """Writes the row down; the next one takes its place unless it is active."""
        code.store_index(row, "%active", active[0])
        bits = [code.load_integer("%z", code.add(row, c * spec.rows.capacity)) for c in range(spec.outputs)]
        either = reduce(lambda a, b: code.value(f"or {integer} {a}, {b}"), bits)
        unsigned = code.value(f"shl {integer} {either}, 1")
        counts = code.value(f"icmp ne {integer} {unsigned}, 0")
        return [code.value(f"add i64 {active[0]}, {code.value(f'zext i1 {counts} to i64')}")]

    (active,) = code.loop(0, "%count", 1, [("i64", "0")], look)
    share, whole = WORTHWHILE
    few = code.value(f"icmp slt i64 {code.multiply(active, whole)}, {code.multiply('%count', share)}")
    code.store_index(code.value(f"select i1 {few}, i64 {active}, i64 %count"), "%active", spec.rows.capacity)
    code.when(few, lambda: _move_slopes(code, spec, active))


def _move_slopes(code: Vectors, spec: Selection, active: str) -> None:
    for c in range(spec.outputs):
        start = c * spec.rows.capacity

        def move(k: Index, _: list[str], start: int = start) -> list[str]:
            source = code.add(code.load_index("%active", k), start)
            code.store_number(code.load_number("%z", source), "%z", code.add(k, start))
            return []

        def clear(k: Index, _: list[str], start: int = start) -> list[str]:
            code.store(ZERO, "%z", code.add(k, start), align=code.real.bytes)
            return []

        code.loop(0, active, 1, [], move)
        code.loop(active, "%count", code.real.lanes, [], clear)


@dataclass(frozen=True, slots=True)
class Movement:
    """Panels whose active rows move up, in place or to other panels of the kind."""

    panels: Panels
    rows: Rows
    in_place: bool


def movement(module: Module, spec: Movement) -> str:
    """The kernel `(panels, active, destination; count)`, without a destination where it is `in_place`."""
    parameters = ["%a*", "%active*", *([] if spec.in_place else ["%to*"]), "%count"]
    return module.define(spec, "movement", parameters, lambda code: _emit_movement(code, spec))


def _emit_movement(code: Vectors, spec: Movement) -> None:
    panels, lanes, target = spec.panels, code.real.lanes, "%a" if spec.in_place else "%to"

    def panel(p: Index, _: list[str]) -> list[str]:
        start = code.multiply(p, spec.rows.capacity * panels.width)

        def move(k: Index, _: list[str]) -> list[str]:
            row = code.load_index("%active", k)
            source, place = (code.add(start, code.multiply(r, panels.width)) for r in (row, k))
            for v in range(panels.vectors):
                code.store(code.load("%a", code.add(source, v * lanes)), target, code.add(place, v * lanes))
            return []

        code.loop(0, "%count", 1, [], move)
        return []

    code.loop(0, panels.count, 1, [], panel)
