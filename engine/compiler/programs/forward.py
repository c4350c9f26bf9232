"""The layers of a network without a training: a block of rows from its inputs to its scores."""

from __future__ import annotations

from collections.abc import Callable

from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.lower import lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.activation import ActivationPass, ActivationPlan, activation_pass
from engine.compiler.kernels.dense import STORED, Product, Rows, product
from engine.compiler.kernels.edges import copying, dot_layer, entering, leaving, leaving_dot
from engine.compiler.kernels.layout import LayerShape, Panels, Workspace, layer_layouts, rounded_up, row_tile
from engine.nn.activations import ACTIVATIONS

NULL = "null"
ROWS_AT_ONCE = 48
"""Rows in a block: what lies between two layers stays in the nearest caches."""


class Forward:
    """Regions of a workspace for one block, and the calls that carry it through the layers.

    With `slopes`, what the way back needs of the activations is stored beside the results.
    """

    def __init__(
        self, module: Module, layers: tuple[LayerShape, ...], block: int, registers: int, *, slopes: bool
    ) -> None:
        self._module, self._layers, self._block, self._slopes = module, layers, block, slopes
        self.layouts = layer_layouts(layers, DOUBLE)
        self.activations = tuple(
            ActivationPlan(layer.activation, ACTIVATIONS.get(layer.activation), 0.0, layer is layers[-1])
            for layer in layers
        )
        tile = row_tile(block, registers)
        self.rows = Rows(
            rounded_up(rounded_up(block, tile), DOUBLE.lanes) + DOUBLE.lanes, tile, block, registers
        )
        self.workspace = Workspace(DOUBLE)
        widths = [self.layouts[0].inputs.padded, *(layout.outputs.padded for layout in self.layouts)]
        self._values = [self.region(width) for width in widths]
        self._stored = [self.region(width) if self.stores(i) else 0 for i, width in enumerate(widths[1:])]

    def region(self, width: int) -> int:
        """A region of the workspace for so many numbers a row."""
        return self.workspace.region(self.rows.capacity * width)

    def stores(self, layer: int) -> bool:
        """Whether the slopes of a layer's activation are stored."""
        return self._slopes and self.activations[layer].slope == STORED

    def blocks(self, code: Vectors, emit: Callable[[Index, Index], None]) -> None:
        """Emits a block's work for every block of the %n rows: its first row and its number of rows."""

        def block(start: Index, _: list[str]) -> list[str]:
            one = self._block == 1
            emit(start, 1 if one else code.smaller(code.subtract("%n", start), self._block))
            return []

        code.loop(0, "%n", self._block, [], block)

    def tiled(self, code: Vectors, count: Index) -> Index:
        """A block's rows in whole tiles."""
        return 1 if self._block == 1 else code.rounded_up(count, self.rows.tile)

    def scores(self, code: Vectors, start: Index, count: Index) -> None:
        """Takes rows from `%x` through all layers to `%out`."""
        last, tiled, before = self.layouts[-1], self.tiled(code, count), self._inputs(code, start, count)
        for i in range(len(self.layouts)):
            self._layer(code, i, before, tiled)
            before = self.values(code, i + 1)
        result = code.at("%out", code.multiply(start, last.outputs.size))
        kernel = leaving_dot(self._module, self.rows) if last.is_dot else self.leaving(last.outputs)
        code.call(kernel, count, pointers=[before, result])

    def _inputs(self, code: Vectors, start: Index, count: Index) -> str:
        """Where the first layer reads a block: the caller's rows, unless a tile would pass their end."""
        first, own = self.layouts[0], self.values(code, 0)
        source = code.at("%x", code.multiply(start, first.inputs.size))
        if first.is_dot:
            code.call(entering(self._module, first.inputs, self.rows), count, pointers=[source, own])
            return own
        if self._block == 1:
            return source
        few = code.value(f"icmp slt i64 {count}, {self._block}")
        numbers = code.multiply(count, first.inputs.size)
        code.when(few, lambda: code.call(copying(self._module), numbers, pointers=[source, own]))
        return code.value(f"select i1 {few}, ptr {own}, ptr {source}")

    def leaving(self, outputs: Panels) -> str:
        """The kernel that takes panels back to rows."""
        return leaving(self._module, outputs, self.rows)

    def values(self, code: Vectors, layer: int) -> str:
        """What goes into a layer; past the last one, the scores."""
        return code.at("%ws", self._values[layer])

    def stored(self, code: Vectors, layer: int) -> str:
        """The stored slopes of a layer's activation; null where there are none."""
        return code.at("%ws", self._stored[layer]) if self.stores(layer) else NULL

    def _layer(self, code: Vectors, i: int, before: str, tiled: Index) -> None:
        layout, activation, after = self.layouts[i], self.activations[i], self.values(code, i + 1)
        weights, slopes = code.at("%w", layout.start), self.stored(code, i)
        if layout.is_dot:
            named = (activation.name, activation.trace)
            kernel = dot_layer(self._module, layout.inputs, self.rows, named, stored=self.stores(i))
            code.call(kernel, tiled, pointers=[before, weights, after, slopes])
            return
        passes = self.stores(i) or not activation.trace.is_cheap
        inline = None if passes else activation.name
        panels = layout.inputs, layout.outputs
        spec = Product(*panels, 1, layout.panel, self.rows, activation=inline, split=False, plain=i == 0)

        def finish(inner: Vectors, total: str) -> str:
            trace = activation.trace
            return lowered(inner, trace, [total]).vector(trace.root) if inline else total

        code.call(product(self._module, spec, finish), tiled, pointers=[before, weights, after, NULL])
        if passes:
            pass_ = ActivationPass(layout.outputs, self.rows, activation.name, 0.0, stored=self.stores(i))
            kernel = activation_pass(self._module, pass_, activation.trace)
            code.call(kernel, tiled, 0, pointers=[after, slopes])
