"""Where a network without a training meets its caller: rows in, scores and gradients out.

Callers have arrays of rows, `[row][feature]`; the kernels between them have panels, `[panel][row][feature]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.lower import Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.dense import Rows, Slope, sloped
from engine.compiler.kernels.dots import dot_products
from engine.compiler.kernels.layout import LayerLayout, Panels

Move = Callable[[Index, Index, int], None]
"""Takes a vector's place among the panels, its place in a caller's row, and how many of its lanes count."""


def entering(module: Module, inputs: Panels, rows: Rows) -> str:
    """The kernel `(x, panels; rows)`."""

    def move(code: Vectors, place: Index, position: Index, live: int) -> None:
        if live == code.real.lanes:
            code.store(code.load("%x", position, align=8), "%a", place)
            return
        for k in range(live):
            code.store_number(code.load_number("%x", code.add(position, k)), "%a", code.add(place, k))

    def emit(code: Vectors) -> None:
        _each_vector(code, inputs, rows, partial(move, code))

    return module.define(("entering", inputs, rows), "entering", ["%x*", "%a*", "%count"], emit)


def copying(module: Module) -> str:
    """The kernel `(x, copy; numbers)`: rows as they lie, to where more than these may be read."""

    def emit(code: Vectors) -> None:
        whole = code.multiply(code.divide("%n", code.real.lanes), code.real.lanes)

        def vector(k: Index, _: list[str]) -> list[str]:
            code.store(code.load("%x", k, align=code.real.bytes), "%a", k)
            return []

        def number(k: Index, _: list[str]) -> list[str]:
            code.store_number(code.load_number("%x", k), "%a", k)
            return []

        some, rest = (code.value(f"icmp slt i64 {a}, {b}") for a, b in ((0, whole), (whole, "%n")))
        code.when(some, lambda: code.loop(0, whole, code.real.lanes, [], vector))
        code.when(rest, lambda: code.loop(whole, "%n", 1, [], number))

    return module.define("copying", "copying", ["%x*", "%a*", "%n"], emit)


def leaving(module: Module, outputs: Panels, rows: Rows) -> str:
    """The kernel `(panels, results; rows)`."""

    def move(code: Vectors, place: Index, position: Index, live: int) -> None:
        if live == code.real.lanes:
            code.store(code.load("%a", place), "%out", position, align=8)
            return
        for k in range(live):
            code.store_number(code.load_number("%a", code.add(place, k)), "%out", code.add(position, k))

    def emit(code: Vectors) -> None:
        _each_vector(code, outputs, rows, partial(move, code))

    return module.define(("leaving", outputs, rows), "leaving", ["%a*", "%out*", "%count"], emit)


def _each_vector(code: Vectors, panels: Panels, rows: Rows, move: Move) -> None:
    """Visits every vector of the first %count rows."""
    whole = panels.size // panels.width

    def row(b: Index, _: list[str]) -> list[str]:
        start, line = code.multiply(b, panels.width), code.multiply(b, panels.size)

        def panel(k: Index, _: list[str]) -> list[str]:
            base = code.add(start, code.multiply(k, rows.capacity * panels.width))
            position = code.add(line, code.multiply(k, panels.width))
            left = panels.size - k * panels.width if isinstance(k, int) else panels.width
            for first in range(0, min(left, panels.width), panels.lanes):
                move(code.add(base, first), code.add(position, first), min(left - first, panels.lanes))
            return []

        if whole:
            code.loop(0, whole, 1, [], panel)
        if whole < panels.count:
            panel(whole, [])
        return []

    code.loop(0, 1 if rows.batch == 1 else "%count", 1, [], row)


def leaving_dot(module: Module, rows: Rows) -> str:
    """The kernel `(scores, results; rows)` of a single output, whose scores lie one after the other."""

    def emit(code: Vectors) -> None:
        def row(b: Index, _: list[str]) -> list[str]:
            code.store_number(code.load_number("%a", b), "%out", b)
            return []

        code.loop(0, 1 if rows.batch == 1 else "%count", 1, [], row)

    return module.define(("leaving dot", rows), "leaving_dot", ["%a*", "%out*", "%count"], emit)


def dot_layer(
    module: Module, inputs: Panels, rows: Rows, activation: tuple[str, Trace], *, stored: bool
) -> str:
    """The kernel `(inputs, parameters, scores, slopes; rows)` of a single output unit.

    `activation` is its name and trace; its slopes are stored if that is asked for.
    """
    name, trace = activation

    def emit(code: Vectors) -> None:
        def group(row: Index, _: list[str]) -> list[str]:
            total = code.plus(dot_products(code, inputs, rows, row, code.real.lanes), code.spread("%w"))
            values = lowered(code, trace, [total])
            code.store(values.vector(trace.root), "%out", row)
            if stored:
                slope = values.slopes(trace.root, 1.0, trace.leaves)[0]
                code.store(slope if isinstance(slope, str) else code.constant(slope), "%s", row)
            return []

        code.loop(0, rows.tiled, code.real.lanes, [], group)

    key = ("dot_layer", inputs, rows, name, stored)
    return module.define(key, "dot_layer", ["%a*", "%w*", "%out*", "%s*", "%rows"], emit)


def choosing(module: Module, outputs: int) -> str:
    """The kernel `(results, chosen; rows)`: notes each row's greatest score, a NaN before all others."""

    def emit(code: Vectors) -> None:
        real = code.real.name

        def row(b: Index, _: list[str]) -> list[str]:
            line = code.at("%out", code.multiply(b, outputs))

            def score(k: Index, best: list[str]) -> list[str]:
                number = code.load_number(line, k)
                greater = code.value(f"fcmp ugt {real} {number}, {best[0]}")
                known = code.value(f"fcmp ord {real} {best[0]}, {best[0]}")
                better = code.value(f"and i1 {greater}, {known}")
                return [
                    code.value(f"select i1 {better}, {real} {number}, {real} {best[0]}"),
                    code.value(f"select i1 {better}, i64 {k}, i64 {best[1]}"),
                ]

            first = [(real, code.load_number(line)), ("i64", "0")]
            code.store_index(code.loop(1, outputs, 1, first, score)[1], "%chosen", b)
            return []

        code.loop(0, "%count", 1, [], row)

    return module.define(("choosing", outputs), "choosing", ["%out*", "%chosen*", "%count"], emit)


@dataclass(frozen=True, slots=True)
class Start:
    """Where gradients start: the chosen output of every row.

    `stored` says that the output's own activation has slopes in store; `below` is the rule of the layer
    below.
    """

    layout: LayerLayout
    rows: Rows
    stored: bool
    below: Slope

    @property
    def weights(self) -> int:
        """Numbers from an output's weights to those of the next panel of inputs."""
        inputs, outputs = self.layout.inputs, self.layout.outputs
        return inputs.width if self.layout.is_dot else outputs.padded * inputs.width


def starting(module: Module, spec: Start) -> str:
    """The kernel `(weights, stored slopes, source of slopes below, slopes, chosen; rows)`.

    `weights` are transposed, `[panel of inputs][output][input]`, or those of a single output.
    """

    def emit(code: Vectors) -> None:
        def row(b: Index, _: list[str]) -> list[str]:
            _start_row(code, spec, b)
            return []

        code.loop(0, "%count", 1, [], row)

    return module.define(spec, "starting", ["%w*", "%s*", "%a*", "%g*", "%chosen*", "%count"], emit)


def _start_row(code: Vectors, spec: Start, b: Index) -> None:
    inputs, outputs, lanes = spec.layout.inputs, spec.layout.outputs, code.real.lanes
    chosen: Index = 0 if spec.layout.is_dot else code.load_index("%chosen", b)
    slope = code.spread("%s", _place(code, outputs, spec, b, chosen)) if spec.stored else None
    first = code.at("%w", code.multiply(chosen, inputs.width))

    def panel(k: Index, _: list[str]) -> list[str]:
        weights = code.at(first, code.multiply(k, spec.weights))
        place = code.add(code.multiply(k, spec.rows.capacity * inputs.width), code.multiply(b, inputs.width))
        for v in range(inputs.vectors):
            here = code.add(place, v * lanes)
            along = code.load(weights, v * lanes)
            along = along if slope is None else code.times(slope, along)
            code.store(sloped(code, spec.below, along, partial(code.load, "%a", here)), "%g", here)
        return []

    code.loop(0, inputs.count, 1, [], panel)


def _place(code: Vectors, outputs: Panels, spec: Start, b: Index, chosen: Index) -> Index:
    """Where the number of a row and an output lies."""
    if spec.layout.is_dot:
        return b
    panel = code.multiply(code.divide(chosen, outputs.width), spec.rows.capacity * outputs.width)
    within = code.add(code.multiply(b, outputs.width), code.remainder(chosen, outputs.width))
    return code.add(panel, within)
