"""How slopes are carried back through a layer: by a transposed copy of its weights, or a single row without.

A copy pays where a batch has several rows. For one row, dot products with the weights as they lie are less
work than turning them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.dense import STORED, Rows, Slope, sloped
from engine.compiler.kernels.layout import LayerLayout


def transposed_size(layout: LayerLayout) -> int:
    """Numbers in a transposed copy of a layer's weights: `[panel of inputs][output][input]`."""
    return layout.inputs.padded * layout.outputs.padded


def transposition(module: Module, layout: LayerLayout) -> str:
    """The kernel `(parameters, transposed)`: refreshes the copy that input gradients are made with."""

    def emit(code: Vectors) -> None:
        code.loop(0, layout.outputs.count, 1, [], lambda panel, _: _transpose_panel(code, layout, panel))

    key = ("transposition", layout.inputs, layout.outputs)
    return module.define(key, "transposition", ["%w*", "%t*"], emit)


def _transpose_panel(code: Vectors, layout: LayerLayout, panel: Index) -> list[str]:
    lanes = code.real.lanes
    whole, rest = divmod(layout.inputs.size, lanes)

    def block(k: Index, _: list[str]) -> list[str]:
        _transpose_block(code, layout, (panel, k), lanes)
        return []

    if whole:
        code.loop(0, whole, 1, [], block)
    if rest:
        _transpose_block(code, layout, (panel, whole), rest)
    return []


def _transpose_block(code: Vectors, layout: LayerLayout, at: tuple[Index, Index], live: int) -> None:
    """Transposes the k-th block of inputs of a panel, of which `live` are real; the others become 0."""
    (panel, k), inputs, outputs, lanes = at, layout.inputs, layout.outputs, code.real.lanes
    first = code.add(code.multiply(panel, layout.panel), outputs.width)
    first = code.add(first, code.multiply(k, lanes * outputs.width))
    home = code.multiply(code.divide(k, inputs.vectors), outputs.padded * inputs.width)
    home = code.add(home, code.multiply(code.remainder(k, inputs.vectors), lanes))
    home = code.add(home, code.multiply(panel, outputs.width * inputs.width))
    for v in range(outputs.vectors):
        rows = [code.load("%w", code.add(first, r * outputs.width + v * lanes)) for r in range(live)]
        for c, column in enumerate(code.transposed(rows + [ZERO] * (lanes - live))):
            if outputs.count > 1 or v * lanes + c < outputs.size:
                code.store(column, "%t", code.add(home, (v * lanes + c) * inputs.width))


@dataclass(frozen=True, slots=True)
class RowGradient:
    """The slopes of one row by a layer's inputs, in their place; `slope` is the rule of the layer below."""

    layout: LayerLayout
    rows: Rows
    slope: Slope


def row_gradient(module: Module, spec: RowGradient) -> str:
    """The kernel `(slopes, parameters, inputs, stored slopes)`."""

    def emit(code: Vectors) -> None:
        whole, rest = divmod(spec.layout.inputs.size, code.real.lanes)

        def block(k: Index, _: list[str]) -> list[str]:
            _row_block(code, spec, k, code.real.lanes)
            return []

        if whole:
            code.loop(0, whole, 1, [], block)
        if rest:
            _row_block(code, spec, whole, rest)
        for padding in range(whole + bool(rest), spec.layout.inputs.padded // code.real.lanes):
            # Here stood activation(0), which need not be 0, and would now pass for a slope.
            code.store(ZERO, "%a", _place(code, spec, padding))

    return module.define(spec, "row_gradient", ["%g*", "%w*", "%a*", "%s*"], emit)


def _row_block(code: Vectors, spec: RowGradient, k: Index, live: int) -> None:
    """The slopes of the k-th vector of inputs, of which `live` are real: one dot product each."""
    outputs, lanes = spec.layout.outputs, code.real.lanes
    first = code.multiply(code.add(code.multiply(k, lanes), 1), outputs.width)

    def panel(p: Index, sums: list[str]) -> list[str]:
        slopes = code.at("%g", code.multiply(p, spec.rows.capacity * outputs.width))
        weights, sums = code.at("%w", code.add(code.multiply(p, spec.layout.panel), first)), list(sums)
        for v in range(outputs.vectors):
            slope = code.load(slopes, v * lanes)
            for r in range(live):
                sums[r] = code.fma(code.load(weights, r * outputs.width + v * lanes), slope, sums[r])
        return sums

    sums = code.loop(0, outputs.count, 1, [(code.real.vector, ZERO)] * live, panel)
    place = _place(code, spec, k)
    source = partial(code.load, "%s" if spec.slope == STORED else "%a", place)
    total = sloped(code, spec.slope, code.sums(sums + [ZERO] * (lanes - live)), source)
    code.store(total, "%a", place)


def _place(code: Vectors, spec: RowGradient, k: Index) -> Index:
    """Where the k-th vector of the row's inputs lies."""
    inputs = spec.layout.inputs
    panel = code.multiply(code.divide(k, inputs.vectors), spec.rows.capacity * inputs.width)
    return code.add(panel, code.multiply(code.remainder(k, inputs.vectors), code.real.lanes))
