"""What a layer does to its sums: an activation and, in training, dropout and the slopes to remember.

Three ways, by cost: nothing (linear), within the matrix kernel (a few instructions, slope known from the
result: relu), or a pass of its own over the layer's panels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from engine.autograd.value import Value
from engine.compiler.dense import STORED, Rows, Slope
from engine.compiler.draws import kept
from engine.compiler.ir import Index, Vector
from engine.compiler.layout import Panels
from engine.compiler.lower import Trace, lowered
from engine.compiler.module import Module
from engine.compiler.vectors import Vectors


@dataclass(frozen=True)
class ActivationPlan:
    """One layer's activation. `by_pass` and `slope` tell how it is carried out."""

    name: str
    function: Callable[[Value], Value]
    dropout: float
    is_output: bool

    @cached_property
    def trace(self) -> Trace:
        """The activation's graph."""
        return Trace(self.function, 1)

    @property
    def slope(self) -> Slope:
        """How its slope is known on the way back."""
        if self.trace.is_identity and not self.dropout:
            return None
        from_result = None if self.dropout or self.is_output else self.trace.slope_from_result
        return from_result or STORED

    @property
    def by_pass(self) -> bool:
        """Whether it takes a pass of its own."""
        return self.slope == STORED or (self.slope is not None and not self.trace.is_cheap)

    @property
    def inline(self) -> str | None:
        """The activation that the matrix kernel applies."""
        return None if self.by_pass or self.slope is None else self.name

    def finish(self, code: Vectors, total: Vector) -> Vector:
        """The result of a sum, within the matrix kernel."""
        if self.inline is None:
            return total
        return lowered(code, self.trace, [total]).vector(self.trace.root)


@dataclass(frozen=True, slots=True)
class ActivationPass:
    """A pass over panels, in place; with dropout (0: none) and stored slopes in training."""

    outputs: Panels
    rows: Rows
    name: str
    dropout: float
    stored: bool


def activation_pass(module: Module, spec: ActivationPass, trace: Trace) -> str:
    """The kernel `(values, slopes; rows, key)`; `key` is the stream of the layer's dropout."""
    parameters = ["%a*", "%s*", "%rows", "%key"]
    return module.define(spec, "activation", parameters, lambda code: _emit_pass(code, spec, trace))


def _emit_pass(code: Vectors, spec: ActivationPass, trace: Trace) -> None:
    width, lanes = spec.outputs.width, code.real.lanes

    def vector(place: Index, keep: str | None) -> None:
        values = lowered(code, trace, [code.load("%a", place)])
        result = values.vector(trace.root)
        scale = 1.0 / (1.0 - spec.dropout)
        if keep is not None:
            result = code.either(keep, code.times(result, scale), 0.0)
        code.store(result, "%a", place)
        if spec.stored:
            slope = values.slopes(trace.root, 1.0, trace.leaves)[0]
            if keep is not None:
                slope = code.either(keep, code.times(slope, scale), 0.0)
            code.store(slope if isinstance(slope, str) else code.constant(slope), "%s", place)

    def panel(k: Index, _: list[str]) -> list[str]:
        base = code.multiply(k, spec.rows.capacity * width)
        if not spec.dropout:
            end = code.multiply(spec.rows.tiled, width)
            at_once = next(n for n in (2, 1) if spec.rows.tile * spec.outputs.vectors % n == 0)

            def some(j: Index, _: list[str]) -> list[str]:
                places = [code.add(base, code.add(j, n * lanes)) for n in range(at_once)]
                code.interleave([partial(vector, place, None) for place in places])
                return []

            code.loop(0, end, at_once * lanes, [], some)
            return []

        def row(b: Index, _: list[str]) -> list[str]:
            for v in range(spec.outputs.vectors):
                unit = code.add(code.multiply(k, width), v * lanes)
                counter = code.add(code.multiply(b, spec.outputs.size), unit)
                place = code.add(code.add(base, v * lanes), code.multiply(b, width))
                vector(place, kept(code, "%key", counter, spec.dropout))
            return []

        code.loop(0, spec.rows.tiled, 1, [], row)
        return []

    code.loop(0, spec.outputs.count, 1, [], panel)


def scaling_pass(module: Module, outputs: Panels, rows: Rows) -> str:
    """The kernel `(slopes, by; rows)`: multiplies panels elementwise."""

    def emit(code: Vectors) -> None:
        def panel(k: Index, _: list[str]) -> list[str]:
            base = code.multiply(k, rows.capacity * outputs.width)

            def one(j: Index, _: list[str]) -> list[str]:
                place = code.add(base, j)
                code.store(code.times(code.load("%g", place), code.load("%s", place)), "%g", place)
                return []

            code.loop(0, code.multiply(rows.tiled, outputs.width), code.real.lanes, [], one)
            return []

        code.loop(0, outputs.count, 1, [], panel)

    return module.define(("scaling", outputs, rows), "scaling", ["%g*", "%s*", "%rows"], emit)
