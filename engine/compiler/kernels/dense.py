"""Products of rows and weights over panels: a layer forward, its input gradient.

The inner loop keeps a tile of results in registers: some rows by one panel, or half as many by two. Each
result is one chain of fused multiply-adds in the order of its index (or a few chains, in numbers fixed by the
shape), so no choice of tile can change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Formula
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.layout import Panels, rounded_up

UNROLLED = 2
"""Turns of an inner loop emitted side by side: more would only take longer to compile."""
TALL = 6
"""Rows of a tall tile, one vector wide: 12 half vectors of sums, 2 of weights, one number of each row."""
GROUP = 48
"""Rows that pass all panels of weights before the next ones do, and stay in the second cache meanwhile."""
GREAT_PANEL = 32_768
"""Bytes of weights in a panel that the nearest cache does not hold beside anything else."""

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
    in place of that activation's own, from which the rule takes its slope. Inputs that are `plain` lie as a
    caller has them, `[row][input]`.
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
    plain: bool = False

    @property
    def strides(self) -> tuple[int, int]:
        """Numbers of inputs from one row to the next, and from one panel to the next."""
        width = self.inputs.width
        return (self.inputs.size, width) if self.plain else (width, self.rows.capacity * width)

    @property
    def abreast(self) -> int:
        """Panels in a tile: two with half the rows are as many sums, for fewer loads."""
        return 2 if self.rows.tile >= 8 and self.outputs.count % 2 == 0 else 1

    @property
    def height(self) -> int:
        """Rows in a tile."""
        return self.rows.tile // self.abreast

    def is_tall(self, size: int) -> bool:
        """Whether tiles are tall: where few registers hold few rows of a panel of which the nearest cache
        holds too little. `size` is a number's."""
        panel = self.inputs.padded * self.outputs.width * size
        return self.rows.registers < 32 and self.rows.batch >= TALL and panel >= GREAT_PANEL

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


@dataclass(frozen=True, slots=True)
class Tile:
    """So many rows of a product by some vectors: where each lies from the first panel on, its weights, its
    results."""

    spec: Product
    height: int
    columns: list[tuple[int, int]]


def product(module: Module, spec: Product, finish: Callable[[Vectors, Vector], Vector]) -> str:
    """The kernel `(inputs, weights, results, source of slopes; rows)`."""

    def emit(code: Vectors) -> None:
        rows, panels = spec.rows.tiled, spec.outputs.count

        def group(first: Index, _: list[str]) -> list[str]:
            last = code.smaller(code.add(first, GROUP), rows)
            code.loop(0, panels, 1, [], lambda panel, _: tall(panel, first, last))
            return []

        def tall(panel: Index, first: Index, last: Index) -> list[str]:
            _tall_tiles(code, first, last, _PanelProduct(code, spec, panel, finish))
            return []

        def flat(panel: Index, _: list[str]) -> list[str]:
            _PanelProduct(code, spec, panel, finish).emit((0, rows), Tile(spec, spec.height, spec.columns))
            return []

        if spec.is_tall(code.real.bytes):
            code.loop(0, rows, GROUP, [], group)
        else:
            code.loop(0, panels, spec.abreast, [], flat)

    return module.define(spec, "product", ["%a*", "%w*", "%out*", "%s*", "%rows"], emit)


def _tall_tiles(code: Vectors, first: Index, last: Index, panel: _PanelProduct) -> None:
    """Rows from `first` to `last` by tiles as tall as they can be, and the few that are left."""
    rows, columns = code.subtract(last, first), panel.spec.columns
    middle = code.add(first, code.multiply(code.divide(rows, TALL), TALL))

    def tall() -> None:
        for column in columns:
            panel.emit((first, middle), Tile(panel.spec, TALL, [column]))

    code.when(code.value(f"icmp slt i64 {first}, {middle}"), tall)
    code.when(
        code.value(f"icmp slt i64 {middle}, {last}"),
        lambda: panel.emit((middle, last), Tile(panel.spec, panel.spec.height, columns)),
    )


class _PanelProduct:
    """The results of one panel of outputs, or of some abreast."""

    def __init__(
        self, code: Vectors, spec: Product, panel: Index, finish: Callable[[Vectors, Vector], Vector]
    ) -> None:
        self._code, self.spec, self._finish = code, spec, finish
        self._weights = code.at("%w", code.multiply(panel, spec.stride))
        self._offset = code.multiply(panel, spec.rows.capacity * spec.outputs.width)

    def emit(self, rows: tuple[Index, Index], tile: Tile) -> None:
        """Tile after tile over `rows`, from the first to before the second."""
        code, spec, width = self._code, self.spec, self.spec.outputs.width
        start = [code.load(self._weights, place) if spec.lead else ZERO for place, _ in tile.columns]
        weights = code.at(self._weights, spec.lead * width)

        def one(row: Index, _: list[str]) -> list[str]:
            inputs = code.at("%a", code.multiply(row, spec.strides[0]))
            sums = _product_tile(code, tile, (inputs, weights), start)
            first = code.add(self._offset, code.multiply(row, width))
            out = code.at("%out", first)
            source = out if spec.in_place and spec.slope != STORED else code.at("%s", first)
            places = [r * width + place for r in range(tile.height) for _, place in tile.columns]
            for total, place in zip(sums, places, strict=True):
                result = sloped(code, spec.slope, total, partial(code.load, source, place))
                code.store(self._finish(code, result), out, place)
            return []

        code.loop(*rows, tile.height, [], one)


def _product_tile(code: Vectors, tile: Tile, sources: tuple[str, str], start: list[Vector]) -> list[Vector]:
    """The sums of one tile, row by row."""
    spec, (a, weights) = tile.spec, sources
    width, step = spec.inputs.width, len(start) * tile.height
    sums = start * tile.height + [ZERO] * (step * (spec.chains - 1))
    whole = spec.inputs.size // width

    def panel(k: Index, sums: list[str]) -> list[str]:
        inputs = code.at(a, code.multiply(k, spec.strides[1]))
        here = code.at(weights, code.multiply(k, width * spec.outputs.width))
        return _accumulate(code, tile, (inputs, here), width, sums)

    if whole:
        sums = code.loop(0, whole, 1, [(code.real.vector, s) for s in sums], panel)
    if rest := spec.inputs.size - whole * width:
        inputs = code.at(a, whole * spec.strides[1])
        here = code.at(weights, whole * width * spec.outputs.width)
        sums = _accumulate(code, tile, (inputs, here), rest, sums)
    results = sums[:step]
    for chain in range(1, spec.chains):
        results = [
            code.plus(x, y) for x, y in zip(results, sums[chain * step : (chain + 1) * step], strict=True)
        ]
    return results


def _accumulate(
    code: Vectors, tile: Tile, sources: tuple[str, str], count: int, sums: list[Vector]
) -> list[Vector]:
    """Adds the products of `count` inputs with their weights, both read from `sources`, to the sums."""
    spec, (a, weights) = tile.spec, sources

    def some(first: Index, sums: list[str], n: int) -> list[str]:
        sums = list(sums)
        here, row = code.at(a, first), code.at(weights, code.multiply(first, spec.outputs.width))
        for k in range(n):
            w = [code.load(row, k * spec.outputs.width + place) for place, _ in tile.columns]
            for r in range(tile.height):
                x = code.spread(here, k + r * spec.strides[0])
                for v, weight in enumerate(w):
                    j = ((k % spec.chains) * tile.height + r) * len(w) + v
                    sums[j] = code.fma(x, weight, sums[j])
        return sums

    at_once = max(UNROLLED, spec.chains)
    whole = count // at_once * at_once
    if whole:
        typed = [(code.real.vector, s) for s in sums]
        sums = code.loop(0, whole, at_once, typed, lambda k, sums: some(k, sums, at_once))
    return some(whole, sums, count - whole) if count > whole else sums
