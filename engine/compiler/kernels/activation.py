"""What a layer does to its sums: an activation and, in training, dropout and the slopes to remember.

Three ways, by cost: nothing (linear), within the matrix kernel (a few instructions, slope known from the
result: relu), or a pass of its own over the layer's panels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from engine.autograd.value import Value
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.dense import STORED, Rows, Slope
from engine.compiler.kernels.draws import kept
from engine.compiler.kernels.layout import Panels


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
    return module.define(spec, "activation", parameters, lambda code: _Pass(code, spec, trace).emit())


class _Pass:
    """The body of an activation pass."""

    def __init__(self, code: Vectors, spec: ActivationPass, trace: Trace) -> None:
        self._code, self._spec, self._trace = code, spec, trace

    def emit(self) -> None:
        """Visits every panel: vector after vector or, where dropout counts the units, row after row."""
        panel = self._rows if self._spec.dropout else self._vectors
        self._code.loop(0, self._spec.outputs.count, 1, [], panel)

    def _vectors(self, k: Index, _: list[str]) -> list[str]:
        code, spec, lanes = self._code, self._spec, self._code.real.lanes
        base = code.multiply(k, spec.rows.capacity * spec.outputs.width)
        at_once = 2 if spec.rows.tile * spec.outputs.vectors % 2 == 0 else 1

        def some(j: Index, _: list[str]) -> list[str]:
            places = [code.add(base, code.add(j, n * lanes)) for n in range(at_once)]
            code.interleave([partial(self._vector, place, None) for place in places])
            return []

        code.loop(0, code.multiply(spec.rows.tiled, spec.outputs.width), at_once * lanes, [], some)
        return []

    def _rows(self, k: Index, _: list[str]) -> list[str]:
        code, spec, lanes = self._code, self._spec, self._code.real.lanes
        base = code.multiply(k, spec.rows.capacity * spec.outputs.width)

        def row(b: Index, _: list[str]) -> list[str]:
            for v in range(spec.outputs.vectors):
                unit = code.add(code.multiply(k, spec.outputs.width), v * lanes)
                counter = code.add(code.multiply(b, spec.outputs.size), unit)
                place = code.add(code.add(base, v * lanes), code.multiply(b, spec.outputs.width))
                self._vector(place, kept(code, "%key", counter, spec.dropout))
            return []

        code.loop(0, spec.rows.tiled, 1, [], row)
        return []

    def _vector(self, place: Index, keep: str | None) -> None:
        """Eight sums become eight results, and their slopes are stored if that is asked for."""
        code, spec = self._code, self._spec
        values = lowered(code, self._trace, [code.load("%a", place)])
        code.store(self._dropped(values.vector(self._trace.root), keep), "%a", place)
        if spec.stored:
            slope = values.slopes(self._trace.root, 1.0, self._trace.leaves)[0]
            slope = slope if isinstance(slope, str) else code.constant(slope)
            code.store(self._dropped(slope, keep), "%s", place)

    def _dropped(self, x: Vector, keep: str | None) -> Vector:
        """Inverted dropout: 0, or so much more that the mean stays."""
        if keep is None:
            return x
        return self._code.either(keep, self._code.times(x, 1.0 / (1.0 - self._spec.dropout)), 0.0)


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
