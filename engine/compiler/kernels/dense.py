"""Matrix kernels over panels: a layer forward, its input gradient, its weight gradient.

The inner loops keep a tile of results in registers: some rows by one panel forward, or half as many by
two; 8 inputs by one panel for the weights, or as few as registers allow. Each result is one chain of fused
multiply-adds in the order of its index (or a few chains, in numbers fixed by the shape), so no choice of tile
can change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Formula
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.layout import LayerLayout, Panels, rounded_up

UNROLLED = 2
"""Turns of an inner loop emitted side by side: more would only take longer to compile."""
INPUTS_AT_ONCE = 8
FEW_SUMS = 4
"""Vectors of sums at once where there are 16 registers of half a vector: 8 for them, 5 for what is added."""

Slope = str | None
"""How the slope of an activation is known: a formula of the result `o`, STORED numbers, or None: it is 1."""
STORED = "stored"


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows of a batch are laid out: `capacity` rows from one panel to the next, `tile` at a time, on a
    CPU with so many `registers`."""

    capacity: int
    tile: int
    batch: int
    registers: int

    @property
    def tiled(self) -> Index:
        """Rows in whole tiles: known where the batch is a single tile, else the argument %rows."""
        return self.tile if self.batch <= self.tile else "%rows"

    def in_group(self, lanes: int) -> int:
        """Rows in a group that fills a vector: fewer than its lanes where the batch has no more."""
        return min(lanes, rounded_up(self.batch, self.tile))


def sloped(code: Vectors, rule: Slope, slope: Vector, source: Callable[[], Vector]) -> Vector:
    """slope · activation′, where `source` loads the activation's result or its stored slope."""
    if rule is None:
        return slope
    if rule == STORED:
        return code.times(slope, source())
    scaled = Formula(code, {"o": source()}).scaled(rule, slope)
    return scaled if isinstance(scaled, str) else code.constant(scaled)


@dataclass(frozen=True, slots=True)
class Product:
    """rows × weights: `[panel][row]` of inputs times `[panel][input]` of weights, panel by panel.

    `lead` rows stand before the weights in a panel (1: the biases, from which the sums start), `stride`
    is the size of a panel of weights. `activation` names what is done to each sum; `slope` is the rule
    by which a gradient goes through the activation of the layer below. Where `in_place`, the results stand
    in place of that activation's own, from which the rule takes its slope.
    """

    inputs: Panels
    outputs: Panels
    lead: int
    stride: int
    rows: Rows
    activation: str | None = None
    slope: Slope = None
    split: bool = True
    in_place: bool = False

    @property
    def abreast(self) -> int:
        """Panels in a tile: two with half the rows are as many sums, for fewer loads."""
        return 2 if self.rows.tile >= 8 and self.outputs.count % 2 == 0 else 1

    @property
    def height(self) -> int:
        """Rows in a tile."""
        return self.rows.tile // self.abreast

    @property
    def columns(self) -> list[tuple[int, int]]:
        """Where each vector of a tile's row lies, from the first panel on: its weights, its results."""
        lanes, panel = self.outputs.lanes, self.rows.capacity * self.outputs.width
        return [
            (p * self.stride + v * lanes, p * panel + v * lanes)
            for p in range(self.abreast)
            for v in range(self.outputs.vectors)
        ]

    @property
    def chains(self) -> int:
        """Chains a sum is split in, where the batch alone has too few sums to fill the pipeline."""
        if not self.split:
            return 1
        results = self.rows.batch * self.outputs.vectors
        return min(4, 8 // results) if results < 8 <= self.inputs.size else 1


def product(module: Module, spec: Product, finish: Callable[[Vectors, Vector], Vector]) -> str:
    """The kernel `(inputs, weights, results, source of slopes; rows)`."""

    def emit(code: Vectors) -> None:
        panels, abreast = spec.outputs.count, spec.abreast
        code.loop(0, panels, abreast, [], lambda panel, _: _product_panels(code, spec, panel, finish))

    return module.define(spec, "product", ["%a*", "%w*", "%out*", "%s*", "%rows"], emit)


def _product_panels(
    code: Vectors, spec: Product, panel: Index, finish: Callable[[Vectors, Vector], Vector]
) -> list[str]:
    width = spec.outputs.width
    weights = code.at("%w", code.multiply(panel, spec.stride))
    start = [code.load(weights, place) if spec.lead else ZERO for place, _ in spec.columns]
    weights = code.at(weights, spec.lead * width)
    offset = code.multiply(panel, spec.rows.capacity * width)

    def tile(row: Index, _: list[str]) -> list[str]:
        sums = _product_tile(code, spec, code.at("%a", code.multiply(row, spec.inputs.width)), weights, start)
        first = code.add(offset, code.multiply(row, width))
        out = code.at("%out", first)
        source = out if spec.in_place and spec.slope != STORED else code.at("%s", first)
        places = [r * width + place for r in range(spec.height) for _, place in spec.columns]
        for total, place in zip(sums, places, strict=True):
            result = sloped(code, spec.slope, total, partial(code.load, source, place))
            code.store(finish(code, result), out, place)
        return []

    code.loop(0, spec.rows.tiled, spec.height, [], tile)
    return []


def _product_tile(code: Vectors, spec: Product, a: str, weights: str, start: list[Vector]) -> list[Vector]:
    """The sums of one tile, row by row."""
    width, step = spec.inputs.width, len(start) * spec.height
    sums = start * spec.height + [ZERO] * (step * (spec.chains - 1))
    whole = spec.inputs.size // width

    def panel(k: Index, sums: list[str]) -> list[str]:
        inputs = code.at(a, code.multiply(k, spec.rows.capacity * width))
        here = code.at(weights, code.multiply(k, width * spec.outputs.width))
        return _accumulate(code, spec, (inputs, here), width, sums)

    if whole:
        sums = code.loop(0, whole, 1, [(code.real.vector, s) for s in sums], panel)
    if rest := spec.inputs.size - whole * width:
        inputs = code.at(a, whole * spec.rows.capacity * width)
        here = code.at(weights, whole * width * spec.outputs.width)
        sums = _accumulate(code, spec, (inputs, here), rest, sums)
    results = sums[:step]
    for chain in range(1, spec.chains):
        results = [
            code.plus(x, y) for x, y in zip(results, sums[chain * step : (chain + 1) * step], strict=True)
        ]
    return results


def _accumulate(
    code: Vectors, spec: Product, sources: tuple[str, str], count: int, sums: list[Vector]
) -> list[Vector]:
    """Adds the products of `count` inputs with their weights, both read from `sources`, to the sums."""
    a, weights = sources

    def some(first: Index, sums: list[str], n: int) -> list[str]:
        sums = list(sums)
        here, row = code.at(a, first), code.at(weights, code.multiply(first, spec.outputs.width))
        for k in range(n):
            w = [code.load(row, k * spec.outputs.width + place) for place, _ in spec.columns]
            for r in range(spec.height):
                x = code.spread(here, k + r * spec.inputs.width)
                for v, weight in enumerate(w):
                    j = ((k % spec.chains) * spec.height + r) * len(w) + v
                    sums[j] = code.fma(x, weight, sums[j])
        return sums

    at_once = max(UNROLLED, spec.chains)
    whole = count // at_once * at_once
    if whole:
        typed = [(code.real.vector, s) for s in sums]
        sums = code.loop(0, whole, at_once, typed, lambda k, sums: some(k, sums, at_once))
    return some(whole, sums, count - whole) if count > whole else sums


@dataclass(frozen=True, slots=True)
class WeightGradient:
    """inputsᵀ × slopes, one panel of outputs after the other, each handed to the optimizer at once.

    `update` names the optimizer's kernel; where it is None the gradient is left in place of scratch, at
    the parameters' own offsets, for a later look at the whole of it.
    """

    layout: LayerLayout
    rows: Rows
    update: str | None


def weight_gradient(module: Module, spec: WeightGradient) -> str:
    """The kernel `(inputs, slopes, parameters, gradient, constants; rows)`."""

    def emit(code: Vectors) -> None:
        code.loop(0, spec.layout.outputs.count, 1, [], lambda panel, _: _gradient_panel(code, spec, panel))

    return module.define(spec, "weight_gradient", ["%a*", "%g*", "%w*", "%d*", "%c*", "%rows"], emit)


def _gradient_panel(code: Vectors, spec: WeightGradient, panel: Index) -> list[str]:
    layout, width = spec.layout, spec.layout.inputs.width
    slopes = code.at("%g", code.multiply(panel, spec.rows.capacity * layout.outputs.width))
    place = code.multiply(panel, layout.panel)
    gradient = code.at("%d", 0 if spec.update else place)
    whole, rest = divmod(layout.inputs.size, INPUTS_AT_ONCE)
    in_panel = width // INPUTS_AT_ONCE

    def some(k: Index, count: int, *, biased: bool) -> None:
        """The weights of the k-th few inputs; the first ones sum the biases too."""
        panel = code.multiply(code.divide(k, in_panel), spec.rows.capacity * width)
        first = code.multiply(code.remainder(k, in_panel), INPUTS_AT_ONCE)
        inputs = code.at("%a", code.add(panel, first))
        totals = _gradient_sums(code, spec, (inputs, slopes), count, biased=biased)
        row = code.add(code.multiply(k, INPUTS_AT_ONCE), 1)
        place = code.at(gradient, code.multiply(row, layout.outputs.width))
        weights = count * layout.outputs.vectors
        for j, total in enumerate(totals):  # past the weights' sums come the biases', in row 0
            base, vector = (place, j) if j < weights else (gradient, j - weights)
            code.store(total, base, vector * code.real.lanes)

    def later(k: Index, _: list[str]) -> list[str]:
        some(k, INPUTS_AT_ONCE, biased=False)
        return []

    if whole:
        some(0, INPUTS_AT_ONCE, biased=True)
    if whole > 1:
        code.loop(1, whole, 1, [], later)
    if rest:
        some(whole, rest, biased=not whole)
    if spec.update:
        code.call(spec.update, layout.panel, pointers=[code.at("%w", place), gradient, "%c"])
    return []


def _gradient_sums(
    code: Vectors, spec: WeightGradient, sources: tuple[str, str], count: int, *, biased: bool
) -> list[Vector]:
    """The sums over rows for `count` inputs, and then the biases'.

    Few sums are split in two chains, of the even and of the odd rows: one would wait for itself. How few
    registers a CPU has tells only in how many parts they are summed: the chains are the same.
    """
    vectors = spec.layout.outputs.vectors
    chains = min(2 if (count + biased) * vectors < 8 else 1, UNROLLED, spec.rows.tile)
    part = count if spec.rows.registers >= 32 else max(1, FEW_SUMS // (vectors * chains))
    totals: list[Vector] = []
    for first in range(0, count, part):
        at_once, last = min(part, count - first), first + part >= count
        here = code.at(sources[0], first), sources[1]
        totals += _gradient_part(code, spec, here, at_once, chains, biased=biased and last)
    return totals


def _gradient_part(
    code: Vectors, spec: WeightGradient, sources: tuple[str, str], count: int, chains: int, *, biased: bool
) -> list[Vector]:
    outputs, lanes = spec.layout.outputs, code.real.lanes
    at_once = min(UNROLLED, spec.rows.tile)
    sums = (count + biased) * outputs.vectors

    def rows(row: Index, totals: list[str]) -> list[str]:
        totals = list(totals)
        inputs = code.at(sources[0], code.multiply(row, spec.layout.inputs.width))
        here = code.at(sources[1], code.multiply(row, outputs.width))
        for r in range(at_once):
            g = [code.load(here, r * outputs.width + v * lanes) for v in range(outputs.vectors)]
            base = (r % chains) * sums
            for k in range(count):
                x = code.spread(inputs, r * spec.layout.inputs.width + k)
                for v, slope in enumerate(g):
                    j = base + k * len(g) + v
                    totals[j] = code.fma(x, slope, totals[j])
            for v, slope in enumerate(g if biased else []):
                j = base + count * len(g) + v
                totals[j] = code.plus(totals[j], slope)
        return totals

    totals = code.loop(0, spec.rows.tiled, at_once, [(code.real.vector, ZERO)] * (sums * chains), rows)
    if chains == 2:
        totals = [code.plus(x, y) for x, y in zip(totals[:sums], totals[sums:], strict=True)]
    return totals
