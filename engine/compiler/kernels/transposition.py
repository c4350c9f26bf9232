"""The transposed copy of a layer's weights, by which slopes are carried back through it."""

from __future__ import annotations

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
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
