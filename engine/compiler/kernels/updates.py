"""The optimizer in instructions: an update rule traced once, run over every parameter.

`Optimizer.update` is called on Values for a parameter, its gradient, its state, the learning rate, the
knobs and the step's corrections. What depends on none of the first three is computed once a step and
kept in a table of constants; the rest is the loop over parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.autograd.value import Value, graph
from engine.compiler.assembly.fusion import FusedUpdate
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Lowered, Term
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.layout import BLOCK
from engine.nn.optimizers import Optimizer, Step

NORM_CHAINS = BLOCK
ABREAST = 2
"""Vectors whose moves are interleaved: fewer wait for themselves, of more LLVM orders the parts one after
the other."""


class TracedUpdate:
    """The graph of an update. Knobs that are 0 or no numbers shape it; the others stay variables."""

    def __init__(self, optimizer: Optimizer, knobs: Mapping[str, Any]) -> None:
        self.knobs: list[Value] = []
        symbolic = {name: self._symbolic(knob) for name, knob in knobs.items()}
        self.parameter, self.gradient, self.rate, self.step = (Value(0.5) for _ in range(4))
        self.moments = tuple(Value(0.5) for _ in optimizer.state(knobs))
        count: Any = self.step  # a Value counts steps as well as an int
        self.corrections: tuple[Value, ...] = tuple(map(_as_value, optimizer.corrections(symbolic, count)))
        handed = tuple(Value(0.5) for _ in self.corrections)
        moved, moments = optimizer.update(
            self.parameter, self.gradient, self.moments, Step(self.rate, symbolic, handed)
        )
        self.handed, self.results = handed, (moved, *moments)
        self.nodes = list({id(n): n for result in self.results for n in graph(result)}.values())
        self.varying = self._varying()

    def _symbolic(self, knob: Any) -> Any:
        if isinstance(knob, tuple):
            return tuple(self._variable(float(part)) for part in knob)
        return self._variable(knob) if isinstance(knob, float) and knob else knob

    def _variable(self, number: float) -> Value:
        self.knobs.append(Value(number))
        return self.knobs[-1]

    def _varying(self) -> set[int]:
        """The ids of the nodes that differ from parameter to parameter."""
        found = {id(v) for v in (self.parameter, self.gradient, *self.moments)}
        for node in self.nodes:
            if any(id(operand) in found for operand in node.operands):
                found.add(id(node))
        return found

    @property
    def constants(self) -> list[Value]:
        """Fixed values that the loop over parameters reads, but for literal numbers."""
        known = {id(v) for v in (*self.knobs, self.rate, *self.handed)}
        found: dict[int, Value] = {}
        for node in self.nodes:
            for operand in node.operands if id(node) in self.varying else ():
                if id(operand) not in self.varying and (operand.op or id(operand) in known):
                    found[id(operand)] = operand
        return list(found.values())


def _as_value(traced: Any) -> Value:
    """A correction as a node, even where it is a plain number."""
    return traced if isinstance(traced, Value) else Value(traced)


class UpdateKernels:
    """The kernels of one optimizer; `stride` lies between a parameter and its moments."""

    def __init__(
        self,
        module: Module,
        traced: TracedUpdate,
        stride: int,
        *,
        clipped: bool,
        guarded: bool,
    ) -> None:
        self._module, self._traced, self._stride = module, traced, stride
        self._clipped, self._guarded = clipped, guarded

    @property
    def moments(self) -> int:
        """Numbers of state a parameter."""
        return len(self._traced.moments)

    @property
    def slots(self) -> int:
        """Vectors in the table of constants: norm sums, the clipping factor, then the update's own."""
        return NORM_CHAINS + 1 + len(self._traced.constants)

    def constants(self) -> str:
        """The kernel `(constants, knobs, rate, corrections; step, steps)`: fills the table for a step."""
        parameters = ["%c*", "%knobs*", "%rate*", "%corrections*", "%step", "%steps"]
        return self._module.define("constants", "constants", parameters, self._emit_constants)

    def _emit_constants(self, code: Vectors) -> None:
        traced, lanes = self._traced, code.real.lanes
        known: dict[int, Term] = {id(v): code.spread("%knobs", i) for i, v in enumerate(traced.knobs)}
        known[id(traced.rate)] = _rate(code)
        for i, value in enumerate(traced.handed):
            place = code.add(code.multiply("%steps", i), "%step")
            known[id(value)] = code.spread("%corrections", place)
        nodes = list({id(n): n for value in traced.constants for n in graph(value)}.values())
        values = Lowered(code, nodes, known)
        for chain in range(NORM_CHAINS):
            code.store(ZERO, "%c", chain * lanes)
        place = (NORM_CHAINS + 1) * lanes
        for value in traced.constants:
            code.store(values.vector(value), "%c", place)
            place += lanes

    def corrections(self) -> str:
        """The kernel `(table, knobs; first, steps)`: each correction for steps first + 1, first + 2 …

        `steps` is a multiple of the lanes and the table's stride.
        """
        parameters = ["%table*", "%knobs*", "%first", "%steps"]
        return self._module.define("corrections", "corrections", parameters, self._emit_corrections)

    def _emit_corrections(self, code: Vectors) -> None:
        traced, lanes = self._traced, code.real.lanes
        known: dict[int, Term] = {id(v): code.spread("%knobs", i) for i, v in enumerate(traced.knobs)}
        nodes = list({id(n): n for value in traced.corrections for n in graph(value)}.values())
        numbers = ", ".join(f"{code.real.name} {code.real.literal(float(k + 1))}" for k in range(lanes))

        def group(k: Index, _: list[str]) -> list[str]:
            done = code.splat(code.value(f"sitofp i64 {code.add('%first', k)} to {code.real.name}"))
            step = code.value(f"fadd {code.real.vector} {done}, <{numbers}>")
            values = Lowered(code, nodes, known | {id(traced.step): step})
            for i, value in enumerate(traced.corrections):
                code.store(values.vector(value), "%table", code.add(code.multiply("%steps", i), k))
            return []

        code.loop(0, "%steps", lanes, [], group)

    def measurement(self, numbers: int) -> str:
        """The kernel `(gradient, constants; limit)`: adds up g², and finds the clipping factor.

        `limit` holds the bits of a double.
        """
        parameters = ["%d*", "%c*", "%limit"]
        emit = partial(self._emit_measurement, numbers=numbers)
        return self._module.define("measurement", "measurement", parameters, emit)

    def _emit_measurement(self, code: Vectors, numbers: int) -> None:
        lanes, real = code.real.lanes, code.real

        def block(k: Index, sums: list[str], vectors: int) -> list[str]:
            gradients = [code.load("%d", code.add(k, chain * lanes)) for chain in range(vectors)]
            return [code.fma(g, g, s) for g, s in zip(gradients, sums, strict=False)] + sums[vectors:]

        sums = _in_blocks(code, numbers, [ZERO] * BLOCK, block)
        for chain, squares in enumerate(sums):
            code.store(squares, "%c", chain * lanes)
        total = square_sum(code)
        norm = code.root(code.splat(code.sum(total)))
        limit = code.value("bitcast i64 %limit to double")
        if real.bits == 32:
            limit = code.value(f"fptrunc double {limit} to float")
        bound = code.splat(limit)
        ratio = code.over(bound, code.plus(norm, 1e-6))  # as clip_factor in nn/optimizers.py has it
        factor = code.either(code.compare("olt", ratio, 1.0), ratio, 1.0)
        code.store(factor, "%c", NORM_CHAINS * lanes)

    def update(self, numbers: Index = "%n") -> str:
        """The kernel `(parameters, gradient, constants; numbers)`: moves them, adds up g² for the norm.

        Unless they are known beforehand, `numbers` are whole blocks.
        """
        emit = partial(self._emit_update, numbers=numbers)
        return self._module.define(("update", numbers), "update", ["%w*", "%d*", "%c*", "%n"], emit)

    def _emit_update(self, code: Vectors, numbers: Index) -> None:
        traced, lanes = self._traced, code.real.lanes
        base = NORM_CHAINS + 1
        # Spread, though whole vectors stand there: where a vector is two registers, both halves are one.
        known: dict[int, Term] = {
            id(v): code.spread("%c", (base + i) * lanes) for i, v in enumerate(traced.constants)
        }
        factor = code.load("%c", NORM_CHAINS * lanes) if self._clipped else None
        sums = [] if self._clipped else [code.load("%c", chain * lanes) for chain in range(NORM_CHAINS)]

        def some(places: list[Index], sums: list[str]) -> list[str]:
            gradients = [code.load("%d", place) for place in places]
            # No multiply-add: Adam wants g², too, and LLVM makes it once.
            norms = [code.plus(s, code.times(g, g)) for g, s in zip(gradients, sums, strict=False)]
            if factor is not None:
                gradients = [code.times(gradient, factor) for gradient in gradients]
            moves = zip(places, gradients, strict=True)
            code.interleave([partial(self._move, code, place, g, dict(known)) for place, g in moves])
            return norms

        def block(k: Index, sums: list[str], vectors: int) -> list[str]:
            places = [code.add(k, chain * lanes) for chain in range(vectors)]
            parts = [slice(i, i + ABREAST) for i in range(0, vectors, ABREAST)]
            return [norm for part in parts for norm in some(places[part], sums[part])] + sums[vectors:]

        sums = _in_blocks(code, numbers, sums, block)
        for chain, total in enumerate(sums):
            code.store(total, "%c", chain * lanes)

    def _move(self, code: Vectors, k: Index, gradient: str, known: dict[int, Term]) -> None:
        traced = self._traced
        known[id(traced.gradient)] = gradient
        places = [code.add(k, i * self._stride) for i in range(1 + len(traced.moments))]
        for value, place in zip((traced.parameter, *traced.moments), places, strict=True):
            known[id(value)] = code.load("%w", place)
        nodes = [n for n in traced.nodes if id(n) in traced.varying or (not n.op and id(n) not in known)]
        values = FusedUpdate(code, nodes, known)
        live = (
            code.load("%w", code.add(k, (1 + len(traced.moments)) * self._stride)) if self._guarded else None
        )
        for result, place in zip(traced.results, places, strict=True):
            moved = values.vector(result)
            if live is not None:
                moved = code.either(code.compare("une", live, 0.0), moved, 0.0)
            code.store(moved, "%w", place)


def _rate(code: Vectors) -> Vector:
    """The learning rate, a double whatever the arithmetic, in every lane."""
    rate = code.value("load double, ptr %rate, align 8")
    return code.splat(rate if code.real.bits == 64 else code.value(f"fptrunc double {rate} to float"))


def _in_blocks(
    code: Vectors,
    numbers: Index,
    sums: list[Vector],
    block: Callable[[Index, list[str], int], list[str]],
) -> list[Vector]:
    """Calls `block` on whole blocks of vectors, and on what is left of one where `numbers` are known."""
    unit = BLOCK * code.real.lanes
    rest = numbers % unit if isinstance(numbers, int) else 0
    whole = code.subtract(numbers, rest)
    if whole != 0:
        typed = [(code.real.vector, s) for s in sums]
        sums = code.loop(0, whole, unit, typed, lambda k, sums: block(k, sums, BLOCK))
    return block(whole, sums, rest // code.real.lanes) if rest else sums


def square_sum(code: Vectors, constants: str = "%c") -> Vector:
    """The chains of a step's Σg², added up."""
    chains = [code.load(constants, chain * code.real.lanes) for chain in range(NORM_CHAINS)]
    return code.plus(code.plus(chains[0], chains[1]), code.plus(chains[2], chains[3]))
