"""A network's scores for many rows or for one: the forward kernels without a training around them.

Two programs of one network, alike but for their blocks: `block` rows at a time, kept in the nearest
caches from layer to layer, or a single row with as little around it as can be.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.compiler.assembly.floating import flush_denormals
from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text, host
from engine.compiler.kernels.layout import LayerShape
from engine.compiler.programs.forward import Forward


class PredictionProgram:
    """`forward(x, scores, parameters, workspace, rows)`: x (rows, inputs) → scores (rows, outputs).

    Each of several calls at once needs a workspace of its own, of `size` numbers, aligned to 64 bytes and
    zero at first.
    """

    def __init__(
        self, layers: tuple[LayerShape, ...], block: int, target: Target, cache_directory: Path | None
    ) -> None:
        module = Module(DOUBLE)
        network = Forward(module, layers, block, target.registers, slopes=False)
        self.size = network.workspace.size

        def emit(code: Vectors) -> None:
            restore = flush_denormals(code)
            network.blocks(code, lambda start, count: network.scores(code, start, count))
            restore()

        def text() -> str:
            module.entry("forward", ["%x*", "%out*", "%w*", "%ws*", "%n"], emit)
            return module.text

        recipe = f"prediction {layers!r} {block}"
        code = compile_text(text, ("forward",), target, cache_directory, recipe=recipe)
        self.forward = code.function("forward", 5)


@lru_cache(maxsize=128)
def prediction_program(
    layers: tuple[LayerShape, ...],
    block: int,
    target: Target | None = None,
    cache_directory: Path | None = None,
) -> PredictionProgram:
    """The compiled program of a network, kept while it is in use."""
    return PredictionProgram(layers, block, target or host(), cache_directory)
