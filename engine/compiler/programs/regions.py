"""The regions of a training program's workspace: what lies where, and how much there is of it."""

from __future__ import annotations

from engine.compiler.kernels.dense import STORED, Rows
from engine.compiler.kernels.heads import TALLIES
from engine.compiler.kernels.layout import FEW, SMALL, Workspace, packed_size
from engine.compiler.kernels.transposition import transposed_size
from engine.compiler.programs.shape import ProgramShape

SUM_BYTES = INDEX_BYTES = 8


class Regions:
    """Named offsets into the workspace, in numbers of the program's arithmetic."""

    def __init__(self, shape: ProgramShape, rows: Rows, moments: int, slots: int) -> None:
        """`moments`: numbers of state a parameter; `slots`: vectors in the update's table of constants."""
        self._shape, self._capacity, self._workspace = shape, rows.capacity, Workspace(shape.real)
        self._places: dict[str, int] = {}
        self.packed = packed_size(shape.layouts)
        self.deferred = shape.clipped or self.packed <= SMALL
        self.by_row = self.deferred and rows.batch == 1  # slopes go back by the weights, not by a copy
        self._add("parameters", self.packed * (1 + moments + shape.guarded))  # then the mask of padding
        self._add("best", self.packed)
        self._add("constants", slots * shape.real.lanes)
        self._add("sums", (2 * TALLIES + 1) * shape.real.lanes * SUM_BYTES // shape.real.bytes)
        self._add_gradients()
        self._add_batch("")
        self._add("scores", self._capacity * FEW)
        self._add_layers()
        if shape.selects:
            self._add_selection()
        if shape.validated and not shape.shuffled:
            self._add_batch("validation ")

    def _add(self, name: str, numbers: int) -> None:
        self._places[name] = self._workspace.region(numbers)

    def _add_gradients(self) -> None:
        if self.deferred:
            self._add("gradient", self.packed)
        for i, layout in enumerate(() if self.deferred else self._shape.layouts):
            self._add(f"gradient {i}", layout.panel)

    def _add_batch(self, prefix: str) -> None:
        for name in ("targets", "weights"):
            self._add(prefix + name, self._capacity)
        self._add(f"{prefix}values 0", self._capacity * self._shape.layouts[0].inputs.padded)

    def _add_layers(self) -> None:
        shape = self._shape
        for i, (layout, activation) in enumerate(zip(shape.layouts, shape.activations, strict=True)):
            if layout.is_dot:
                continue
            panels = self._capacity * layout.outputs.padded
            self._add(f"values {i + 1}", panels)
            if activation.slope == STORED:
                self._add(f"stored {i + 1}", panels)
            if i and not self.by_row:
                self._add(f"transposed {i}", transposed_size(layout))

    def _add_selection(self) -> None:
        """Which rows are active, how many, and their inputs, where all inputs stay for the next step."""
        self._add("active", (self._capacity + 1) * INDEX_BYTES // self._shape.real.bytes)
        if not self._shape.shuffled:
            self._add("active values 0", self._capacity * self._shape.layouts[0].inputs.padded)

    @property
    def size(self) -> int:
        """Numbers in the workspace."""
        return self._workspace.size

    def __getitem__(self, name: str) -> int:
        """Where a region starts."""
        return self._places[name]
