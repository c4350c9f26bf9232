"""The layers of a program: where each one's numbers lie, and the calls that carry a batch through them."""

from __future__ import annotations

from dataclasses import replace

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.activation import ActivationPass, activation_pass, scaling_pass
from engine.compiler.kernels.classes import ClassHead, LossKind, class_head
from engine.compiler.kernels.dense import (
    STORED,
    Product,
    Rows,
    product,
)
from engine.compiler.kernels.dots import DotHead, dot_gradient, dot_head
from engine.compiler.kernels.draws import sub_key
from engine.compiler.kernels.gathering import Gathering, gathering
from engine.compiler.kernels.heads import TALLIES
from engine.compiler.kernels.layout import LayerLayout, Panels
from engine.compiler.kernels.selection import Movement, Selection, movement, selection
from engine.compiler.kernels.transposition import RowGradient, row_gradient, transposition
from engine.compiler.kernels.updates import UpdateKernels
from engine.compiler.kernels.weights import WeightGradient, weight_gradient
from engine.compiler.programs.regions import Regions
from engine.compiler.programs.shape import ProgramShape

NULL = "null"


class Network:
    """Regions of the workspace by name, and the kernels that work on them."""

    def __init__(self, module: Module, shape: ProgramShape, rows: Rows, updates: UpdateKernels) -> None:
        self._module, self._shape, self._rows, self._updates = module, shape, rows, updates
        self._base = ""
        self.regions = Regions(shape, rows, updates.moments, updates.slots)
        self.packed, self.deferred = self.regions.packed, self.regions.deferred

    @property
    def size(self) -> int:
        """Numbers in the workspace."""
        return self.regions.size

    def offset(self, name: str) -> int:
        """Where a region starts."""
        return self.regions[name]

    @property
    def drops(self) -> bool:
        """Whether any layer has dropout."""
        return any(layer.dropout for layer in self._shape.layers)

    # In a program

    def bind(self, base: str) -> None:
        """Names the register that holds the workspace's address."""
        self._base = base

    def place(self, code: Vectors, name: str, further: Index = 0) -> str:
        """A region's address."""
        return code.at(self._base, code.add(self.regions[name], further))

    def _input(self, code: Vectors, name: str, *, training: bool) -> str:
        prefix = "" if training or self._shape.shuffled else "validation "
        return self.place(code, prefix + name)

    def gather(
        self, code: Vectors, sources: list[str], order: str, count: Index, *, training: bool = True
    ) -> None:
        """Copies rows, targets and weights in the given order to where the first layer reads them."""
        names = ("values 0", "targets", "weights")
        places = [self._input(code, name, training=training) for name in names]
        spec = Gathering(self._shape.layouts[0].inputs, self._rows, self._shape.weighted)
        code.call(gathering(self._module, spec), count, pointers=[*sources, order, *places])

    def _tiled(self, code: Vectors, count: Index) -> Index:
        tiled = self._rows.tiled
        return tiled if isinstance(tiled, int) else code.rounded_up(count, self._rows.tile)

    def forward(self, code: Vectors, count: Index, *, training: bool = True, dropout_key: Index = 0) -> None:
        """Carries the gathered rows to their scores, and through the head to the loss."""
        shape, tiled = self._shape, self._tiled(code, count)
        values = self._input(code, "values 0", training=training)
        for i, layout in enumerate(shape.layouts):
            if layout.is_dot:
                self._dot_head(code, i, values, (count, tiled), training=training)
                return
            activation = shape.activations[i]
            spec = Product(
                layout.inputs, layout.outputs, 1, layout.panel, self._rows, activation=activation.inline
            )
            result = self.place(code, f"values {i + 1}")
            kernel = product(self._module, spec, activation.finish)
            code.call(kernel, tiled, pointers=[values, self._parameters(code, layout), result, NULL])
            if activation.by_pass:
                self._activate(code, i, tiled, training=training, key=dropout_key)
            values = result
        self._class_head(code, values, (count, tiled), training=training)

    def _parameters(self, code: Vectors, layout: LayerLayout) -> str:
        return self.place(code, "parameters", layout.start)

    def _activate(self, code: Vectors, i: int, tiled: Index, *, training: bool, key: Index) -> None:
        activation, layout = self._shape.activations[i], self._shape.layouts[i]
        dropout = activation.dropout if training else 0.0
        stored = activation.slope == STORED and (training or not activation.dropout)
        spec = ActivationPass(layout.outputs, self._rows, activation.name, dropout, stored)
        slopes = self.place(code, f"stored {i + 1}") if stored else NULL
        own = sub_key(code, key, i) if dropout else 0
        kernel = activation_pass(self._module, spec, activation.trace)
        code.call(kernel, tiled, own, pointers=[self.place(code, f"values {i + 1}"), slopes])

    def _stored_slopes(self, code: Vectors, layer: int) -> str:
        """Where the slopes of a layer's activation are stored, if they are not known from its results."""
        stored = self._shape.activations[layer].slope == STORED
        return self.place(code, f"stored {layer + 1}") if stored else NULL

    def _sums(self, code: Vectors, *, training: bool) -> str:
        return self.sum_address(code, 0 if training else TALLIES * self._shape.real.lanes)

    def _dot_head(
        self, code: Vectors, i: int, values: str, rows: tuple[Index, Index], *, training: bool
    ) -> None:
        pointers = [values, self._parameters(code, self._shape.layouts[i])]
        pointers += [self._input(code, name, training=training) for name in ("targets", "weights")]
        pointers += [self.place(code, "scores"), self._gradient(code, i), self._sums(code, training=training)]
        code.call(dot_head(self._module, self._dots(i, training=training)), *rows, pointers=pointers)

    def _dots(self, i: int, *, training: bool) -> DotHead:
        shape, below = self._shape, i > 0
        return DotHead(
            replace(shape.layouts[i], start=0),
            self._rows,
            shape.activations[i].function,
            shape.measure(training=training),
            self._loss_kind,
            below,
            shape.activations[i - 1].slope if below else None,
        )

    @property
    def _loss_kind(self) -> LossKind:
        loss = self._shape.loss
        return "elements" if not loss.rowwise else "softmax" if loss.name == "cross_entropy" else "rows"

    def _class_head(self, code: Vectors, values: str, rows: tuple[Index, Index], *, training: bool) -> None:
        shape = self._shape
        measure = shape.measure(training=training)
        spec = ClassHead(shape.layouts[-1].outputs, self._rows, measure, self._loss_kind)
        pointers = [values, *(self._input(code, name, training=training) for name in ("targets", "weights"))]
        pointers.append(self._sums(code, training=training))
        code.call(class_head(self._module, spec), *rows, pointers=pointers)

    def backward(self, code: Vectors, count: Index) -> None:
        """From the head's slopes to every layer's gradient and, unless it is deferred, its update.

        Slopes take the place of the values they belong to, once nobody needs those: half the memory, so
        that more of a batch stays in the nearest caches.
        """
        shape, rows, inputs = self._shape, self._tiled(code, count), self.place(code, "values 0")
        if shape.selects:
            rows, inputs = self._select(code, count, rows)
        for i in reversed(range(len(shape.layouts))):
            layout, values = shape.layouts[i], self.place(code, f"values {i}") if i else inputs
            if layout.is_dot:
                self._dot_gradient(code, i, values, rows)
                self._update(code, i)
                continue
            if i == len(shape.layouts) - 1:
                self._scale_output_slopes(code, rows)
            slopes = self.place(code, f"values {i + 1}")
            update = None if self.deferred else self._updates.update()
            kernel = weight_gradient(
                self._module, WeightGradient(replace(layout, start=0), self._rows, update)
            )
            pointers = [values, slopes, self._parameters(code, layout)]
            pointers += [self._gradient(code, i), self.place(code, "constants")]
            code.call(kernel, rows, pointers=pointers)
            if i:
                self._input_gradient(code, i, slopes, rows)
            if i and not self.deferred:
                self._transpose(code, i)

    def _select(self, code: Vectors, count: Index, tiled: Index) -> tuple[Index, str]:
        """Moves the active rows up, if they are few: how many rows now count, and where their inputs are."""
        outputs, listed = self._shape.layouts[-1].outputs.size, self.place(code, "active")
        kernel = selection(self._module, Selection(outputs, self._rows))
        code.call(kernel, count, pointers=[self.place(code, "scores"), listed])
        active = code.load_index(listed, self._rows.capacity)
        few = code.value(f"icmp slt i64 {active}, {count}")
        inputs = self.place(code, "values 0")
        kept = inputs if self._shape.shuffled else self.place(code, "active values 0")

        def move(name: str, panels: Panels, *to: str) -> None:
            kernel = movement(self._module, Movement(panels, self._rows, in_place=not to))
            code.call(kernel, active, pointers=[self.place(code, name), listed, *to])

        def move_all() -> None:
            move("values 0", self._shape.layouts[0].inputs, *([] if kept == inputs else [kept]))
            for i, layout in enumerate(self._shape.layouts[:-1]):
                move(f"values {i + 1}", layout.outputs)
                if self._shape.activations[i].slope == STORED:
                    move(f"stored {i + 1}", layout.outputs)

        code.when(few, move_all)
        rows = code.rounded_up(code.larger(active, 1), self._rows.tile)
        rows = code.value(f"select i1 {few}, i64 {rows}, i64 {tiled}")
        return rows, code.value(f"select i1 {few}, ptr {kept}, ptr {inputs}")

    def _dot_gradient(self, code: Vectors, i: int, values: str, rows: Index) -> None:
        pointers = [values, self._parameters(code, self._shape.layouts[i]), self.place(code, "scores")]
        pointers += [self._stored_slopes(code, i - 1) if i else NULL, self._gradient(code, i)]
        code.call(dot_gradient(self._module, self._dots(i, training=True)), rows, pointers=pointers)

    def _gradient(self, code: Vectors, i: int) -> str:
        """A layer's gradient: at the parameters' own offsets, or one panel of it."""
        if self.deferred:
            return self.place(code, "gradient", self._shape.layouts[i].start)
        return self.place(code, f"gradient {i}")

    def _scale_output_slopes(self, code: Vectors, tiled: Index) -> None:
        """The slopes of several outputs stand where their scores did; an activation still scales them."""
        last, activation = len(self._shape.layouts), self._shape.activations[-1]
        if activation.slope == STORED:
            kernel = scaling_pass(self._module, self._shape.layouts[-1].outputs, self._rows)
            pointers = [self.place(code, f"{name} {last}") for name in ("values", "stored")]
            code.call(kernel, tiled, pointers=pointers)

    def _input_gradient(self, code: Vectors, i: int, slopes: str, tiled: Index) -> None:
        """Slopes by a layer's inputs, in their place; the copy still has the weights before their update."""
        layout, slope = self._shape.layouts[i], self._shape.activations[i - 1].slope
        values, stored = self.place(code, f"values {i}"), self._stored_slopes(code, i - 1)
        if self.regions.by_row:
            kernel = row_gradient(self._module, RowGradient(replace(layout, start=0), self._rows, slope))
            code.call(kernel, pointers=[slopes, self._parameters(code, layout), values, stored])
            return
        stride = layout.outputs.padded * layout.inputs.width
        spec = Product(layout.outputs, layout.inputs, 0, stride, self._rows, slope=slope, in_place=True)
        kernel = product(self._module, spec, lambda _, total: total)
        code.call(kernel, tiled, pointers=[slopes, self.place(code, f"transposed {i}"), values, stored])

    def _transpose(self, code: Vectors, i: int) -> None:
        layout = self._shape.layouts[i]
        pointers = [self._parameters(code, layout), self.place(code, f"transposed {i}")]
        code.call(transposition(self._module, layout), pointers=pointers)

    def transpose_all(self, code: Vectors) -> None:
        """Makes every transposed copy."""
        for i, layout in enumerate(self._shape.layouts):
            if i and not layout.is_dot and not self.regions.by_row:
                self._transpose(code, i)

    def _update(self, code: Vectors, i: int) -> None:
        if not self.deferred:
            layout = self._shape.layouts[i]
            pointers = [
                self._parameters(code, layout),
                self._gradient(code, i),
                self.place(code, "constants"),
            ]
            code.call(self._updates.update(), layout.panel, pointers=pointers)

    def clip(self, code: Vectors, limit: str) -> None:
        """Looks at the whole gradient: the sum of its squares, the factor that shortens it to `limit`."""
        bits = code.value(f"bitcast double {limit} to i64")
        pointers = [self.place(code, "gradient"), self.place(code, "constants")]
        code.call(self._updates.measurement(self.packed), bits, pointers=pointers)

    def update_all(self, code: Vectors) -> None:
        """Moves every parameter, where none has moved yet."""
        if not self.deferred:
            return
        pointers = [self.place(code, name) for name in ("parameters", "gradient", "constants")]
        code.call(self._updates.update(self.packed), self.packed, pointers=pointers)
        self.transpose_all(code)

    # The epoch's sums: doubles, whatever the arithmetic

    def sum_address(self, code: Vectors, position: int) -> str:
        """The address of one double among the sums."""
        start = self.place(code, "sums")
        return code.value(f"getelementptr inbounds double, ptr {start}, i64 {position}")

    def norm_address(self, code: Vectors) -> str:
        """The address of the sum of the steps' gradient norms."""
        return self.sum_address(code, 2 * TALLIES * self._shape.real.lanes)

    def clear_sums(self, code: Vectors) -> None:
        """Starts an epoch's sums from 0."""
        lanes = self._shape.real.lanes
        for i in range(2 * TALLIES + 1):
            code.do(
                f"store <{lanes} x double> zeroinitializer, ptr {self.sum_address(code, i * lanes)}, align 64"
            )
