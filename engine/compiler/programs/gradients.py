"""A network's scores with their gradients by the inputs: forward, and back from one output of each row.

The way back is that of training without its weight gradients: the slopes of a block of rows go through
each activation, and by transposed copies of the weights from layer to layer. A trained network's weights
stay, so those copies are made once, and threads share them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from engine.compiler.assembly.floating import flush_denormals
from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text, host
from engine.compiler.kernels.dense import STORED, Product, product
from engine.compiler.kernels.edges import Start, choosing, starting
from engine.compiler.kernels.layout import LayerShape, Workspace
from engine.compiler.kernels.transposition import transposed_size, transposition
from engine.compiler.programs.forward import NULL, ROWS_AT_ONCE, Forward

_ARGUMENTS = ["%x*", "%out*", "%chosen*", "%gradients*", "%w*", "%transposed*", "%ws*", "%n", "%own"]


class GradientProgram:
    """The functions `transpose(parameters, transposed)` and `gradients(…)`.

    `gradients(x, scores, chosen, gradients, parameters, transposed, workspace, rows, own)`: x (rows, inputs)
    → scores (rows, outputs) and the gradients (rows, inputs) of the scores that `chosen` (rows,) names;
    where `own` is 1 each row's greatest score is chosen first. Aligned to 64 bytes and zero at first are
    `transposed`, of `transposed_size` numbers, and a workspace for each call at once, of `size` numbers.
    """

    def __init__(self, layers: tuple[LayerShape, ...], target: Target, cache_directory: Path | None) -> None:
        self._module = Module(DOUBLE)
        self._network = Forward(self._module, layers, ROWS_AT_ONCE, target.registers, slopes=True)
        layouts = self._network.layouts
        widest = max(layout.inputs.padded for layout in layouts)
        self._slopes = [self._network.region(widest) for _ in range(2)]  # from one to the other, and back
        copies = Workspace(DOUBLE)
        self._copies = [0 if each.is_dot else copies.region(transposed_size(each)) for each in layouts]
        self.size, self.transposed_size = self._network.workspace.size, copies.size
        names, recipe = ("transpose", "gradients"), f"gradients {layers!r}"
        code = compile_text(self._text, names, target, cache_directory, recipe=recipe)
        self.transpose, self.gradients = code.function("transpose", 2), code.function("gradients", 9)

    def _text(self) -> str:
        self._module.entry("transpose", ["%w*", "%transposed*"], self._transpose)
        self._module.entry("gradients", _ARGUMENTS, self._gradients)
        return self._module.text

    def _transpose(self, code: Vectors) -> None:
        for layout, copy in zip(self._network.layouts, self._copies, strict=True):
            if not layout.is_dot:
                kernel = transposition(self._module, layout)
                pointers = [code.at("%w", layout.start), code.at("%transposed", copy)]
                code.call(kernel, pointers=pointers)

    def _gradients(self, code: Vectors) -> None:
        restore = flush_denormals(code)
        outputs = self._network.layouts[-1].outputs.size
        own = code.value("icmp ne i64 %own, 0")

        def block(start: Index, count: Index) -> None:
            self._network.scores(code, start, count)
            scores = code.at("%out", code.multiply(start, outputs))
            chosen = code.value(f"getelementptr inbounds i64, ptr %chosen, i64 {start}")
            if outputs > 1:
                kernel = choosing(self._module, outputs)
                code.when(own, lambda: code.call(kernel, count, pointers=[scores, chosen]))
            self._back(code, start, count, chosen)

        self._network.blocks(code, block)
        restore()

    def _back(self, code: Vectors, start: Index, count: Index, chosen: str) -> None:
        """From the chosen outputs of a block to its inputs, and these to `%gradients`."""
        network = self._network
        here, there = (code.at("%ws", place) for place in self._slopes)
        top = len(network.layouts) - 1
        self._start(code, here, (count, chosen))
        tiled = network.tiled(code, count)
        for i in reversed(range(top)):
            layout, below = network.layouts[i], network.activations[i - 1].slope if i else None
            stride = layout.outputs.padded * layout.inputs.width
            spec = Product(layout.outputs, layout.inputs, 0, stride, network.rows, slope=below, split=False)
            kernel = product(self._module, spec, lambda _, total: total)
            pointers = [here, code.at("%transposed", self._copies[i]), there, self._source(code, i - 1)]
            code.call(kernel, tiled, pointers=pointers)
            here, there = there, here
        inputs = network.layouts[0].inputs
        result = code.at("%gradients", code.multiply(start, inputs.size))
        code.call(network.leaving(inputs), count, pointers=[here, result])

    def _start(self, code: Vectors, slopes: str, rows: tuple[Index, str]) -> None:
        network, top = self._network, len(self._network.layouts) - 1
        (count, chosen), layout = rows, network.layouts[top]
        below = network.activations[top - 1].slope if top else None
        spec = Start(replace(layout, start=0), network.rows, network.stores(top), below)
        weights = (
            code.at("%w", layout.start + DOUBLE.lanes)  # past the bias
            if layout.is_dot
            else code.at("%transposed", self._copies[top])
        )
        pointers = [weights, network.stored(code, top), self._source(code, top - 1), slopes, chosen]
        code.call(starting(self._module, spec), count, pointers=pointers)

    def _source(self, code: Vectors, layer: int) -> str:
        """Where the slopes of a layer's activation are read from, or derived from."""
        if layer < 0 or self._network.activations[layer].slope is None:
            return NULL
        if self._network.activations[layer].slope == STORED:
            return self._network.stored(code, layer)
        return self._network.values(code, layer + 1)


@lru_cache(maxsize=64)
def gradient_program(
    layers: tuple[LayerShape, ...], target: Target | None = None, cache_directory: Path | None = None
) -> GradientProgram:
    """The compiled program of a network, kept while it is in use."""
    return GradientProgram(layers, target or host(), cache_directory)
