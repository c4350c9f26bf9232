"""A network's scores for many rows or for one: the forward kernels without a training around them.

Two programs of one network, alike but for their blocks: `block` rows at a time, kept in the nearest
caches from layer to layer, or a single row with as little around it as can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from engine.compiler.assembly.floating import flush_denormals
from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.lower import lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text, host
from engine.compiler.kernels.activation import ActivationPass, ActivationPlan, activation_pass
from engine.compiler.kernels.dense import Product, Rows, product
from engine.compiler.kernels.heads import dot_products
from engine.compiler.kernels.layout import (
    LayerLayout,
    LayerShape,
    Workspace,
    layer_layouts,
    rounded_up,
    row_tile,
)
from engine.nn.activations import ACTIVATIONS

NULL = "null"
ROWS_AT_ONCE = 48


@dataclass(frozen=True)
class PredictionShape:
    """A network, and how many rows it takes at a time."""

    layers: tuple[LayerShape, ...]
    block: int

    @cached_property
    def layouts(self) -> tuple[LayerLayout, ...]:
        """Where parameters lie: packed as in training."""
        return layer_layouts(self.layers, DOUBLE)


class PredictionProgram:
    """`forward(x, scores, parameters, workspace, rows)`: x (rows, inputs) → scores (rows, outputs).

    Every thread needs a workspace of its own, of `size` numbers, aligned to 64 bytes and zero at first.
    """

    def __init__(self, shape: PredictionShape, target: Target, cache_directory: Path | None) -> None:
        self._shape, self._module, workspace = shape, Module(DOUBLE), Workspace(DOUBLE)
        tile = row_tile(shape.block, target.registers)
        capacity = rounded_up(rounded_up(shape.block, tile), DOUBLE.lanes) + DOUBLE.lanes
        self._rows = Rows(capacity, tile, shape.block)
        widths = [shape.layouts[0].inputs.padded, *(layout.outputs.padded for layout in shape.layouts)]
        self._places = [workspace.region(capacity * width) for width in widths]
        self.size = workspace.size
        self._module.entry("forward", ["%x*", "%out*", "%w*", "%ws*", "%n"], self._emit)
        self.text = self._module.text
        self._code = compile_text(self.text, ("forward",), target, cache_directory)
        self.forward = self._code.function("forward", 5)

    def _emit(self, code: Vectors) -> None:
        restore = flush_denormals(code)
        layers = self._shape.layers
        inputs, outputs = layers[0].inputs, layers[-1].units

        def block(start: Index, _: list[str]) -> list[str]:
            one = self._shape.block == 1
            count = 1 if one else code.smaller(code.subtract("%n", start), self._shape.block)
            source = code.at("%x", code.multiply(start, inputs))
            code.call(self._entering(), count, pointers=[source, code.at("%ws", self._places[0])])
            tiled = 1 if one else code.rounded_up(count, self._rows.tile)
            for i in range(len(layers)):
                self._layer(code, i, tiled)
            result = code.at("%out", code.multiply(start, outputs))
            code.call(self._leaving(), count, pointers=[code.at("%ws", self._places[-1]), result])
            return []

        code.loop(0, "%n", self._shape.block, [], block)
        restore()

    def _layer(self, code: Vectors, i: int, tiled: Index) -> None:
        layout, layer = self._shape.layouts[i], self._shape.layers[i]
        before, after = (code.at("%ws", place) for place in self._places[i : i + 2])
        weights = code.at("%w", layout.start)
        activation = ActivationPlan(layer.activation, ACTIVATIONS.get(layer.activation), 0.0, is_output=False)
        if layout.is_dot:
            kernel = _dot_layer(self._module, layout, self._rows, activation)
            code.call(kernel, tiled, pointers=[before, weights, after])
            return
        inline = activation.name if activation.trace.is_cheap else None
        spec = Product(
            layout.inputs, layout.outputs, 1, layout.panel, self._rows, activation=inline, split=False
        )

        def finish(inner: Vectors, total: str) -> str:
            return (
                lowered(inner, activation.trace, [total]).vector(activation.trace.root) if inline else total
            )

        code.call(product(self._module, spec, finish), tiled, pointers=[before, weights, after, NULL])
        if not inline:
            pass_ = ActivationPass(layout.outputs, self._rows, activation.name, 0.0, stored=False)
            kernel = activation_pass(self._module, pass_, activation.trace)
            code.call(kernel, tiled, 0, pointers=[after, NULL])

    def _entering(self) -> str:
        """The kernel `(x, panels; rows)`."""
        inputs, rows = self._shape.layouts[0].inputs, self._rows

        def emit(code: Vectors) -> None:
            def row(b: Index, _: list[str]) -> list[str]:
                line, panel = code.at("%x", code.multiply(b, inputs.size)), code.multiply(b, inputs.width)
                for first in range(0, inputs.size, code.real.lanes):
                    base = first // inputs.width * rows.capacity * inputs.width + first % inputs.width
                    target = code.at("%a", code.add(base, panel))
                    live = inputs.size - first
                    if live >= code.real.lanes:
                        code.store(code.load(line, first, align=8), target)
                        continue
                    for k in range(live):
                        code.store_number(code.load_number(line, first + k), target, k)
                return []

            code.loop(0, 1 if rows.batch == 1 else "%count", 1, [], row)

        return self._module.define("entering", "entering", ["%x*", "%a*", "%count"], emit)

    def _leaving(self) -> str:
        """The kernel `(panels, scores; rows)`."""
        outputs, rows = self._shape.layouts[-1].outputs, self._rows
        is_dot = self._shape.layouts[-1].is_dot

        def place(code: Vectors, row: Index, k: int) -> Index:
            if is_dot:
                return row
            base = k // outputs.width * rows.capacity * outputs.width + k % outputs.width
            return code.add(base, code.multiply(row, outputs.width))

        def emit(code: Vectors) -> None:
            def row(b: Index, _: list[str]) -> list[str]:
                line = code.at("%out", code.multiply(b, outputs.size))
                for k in range(outputs.size):
                    code.store_number(code.load_number("%a", place(code, b, k)), line, k)
                return []

            code.loop(0, 1 if rows.batch == 1 else "%count", 1, [], row)

        return self._module.define("leaving", "leaving", ["%a*", "%out*", "%count"], emit)


def _dot_layer(module: Module, layout: LayerLayout, rows: Rows, activation: ActivationPlan) -> str:
    """The kernel `(inputs, parameters, scores; rows)` of a single output unit."""

    def emit(code: Vectors) -> None:
        def group(row: Index, _: list[str]) -> list[str]:
            total = code.plus(dot_products(code, layout.inputs, rows, row, []), code.spread("%w"))
            code.store(lowered(code, activation.trace, [total]).vector(activation.trace.root), "%out", row)
            return []

        code.loop(0, rows.tiled, code.real.lanes, [], group)

    return module.define("dot_layer", "dot_layer", ["%a*", "%w*", "%out*", "%rows"], emit)


@lru_cache(maxsize=128)
def prediction_program(
    layers: tuple[LayerShape, ...],
    block: int,
    target: Target | None = None,
    cache_directory: Path | None = None,
) -> PredictionProgram:
    """The compiled program of a network, kept while it is in use."""
    return PredictionProgram(PredictionShape(layers, block), target or host(), cache_directory)
