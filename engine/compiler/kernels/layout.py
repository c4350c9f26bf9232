"""Where everything lies: panels of features, packed parameters, the workspace of a program.

A layer's outputs are kept in *panels* of 16 features (float32: 32), `[panel][row][feature]`, so that
one row of a panel is two vectors. A layer's parameters are `[panel of outputs][1 + inputs][output]`:
row 0 holds the biases, row 1 + k the weights of input k. A last layer of few outputs is kept apart as
dot products: `[biases, 0 …][output][input]`. Whatever pads a panel is 0 and stays 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.compiler.assembly.ir import Real

BLOCK = 4
"""Vectors that an update moves in one turn."""


SMALL = 1_024
"""Up to so many parameters are updated all at once, at a step's end; more, panel by panel, while the
gradient is still in the nearest cache."""

FEW = 4
"""Outputs that a training takes as dot products rather than as a panel."""


def rounded_up(n: int, unit: int) -> int:
    """The least multiple of `unit` that is not below n."""
    return -(-n // unit) * unit


@dataclass(frozen=True, slots=True)
class LayerShape:
    """A layer without its numbers."""

    inputs: int
    units: int
    activation: str
    dropout: float


@dataclass(frozen=True, slots=True)
class Panels:
    """How `size` features fall into panels of vectors with `lanes` lanes."""

    size: int
    lanes: int

    @property
    def vectors(self) -> int:
        """Vectors in a row of a panel: one for a narrow layer, else two."""
        return 1 if self.size <= self.lanes else 2

    @property
    def width(self) -> int:
        """Features in a panel."""
        return self.vectors * self.lanes

    @property
    def count(self) -> int:
        """Panels."""
        return -(-self.size // self.width)

    @property
    def padded(self) -> int:
        """Features with padding."""
        return self.count * self.width


@dataclass(frozen=True, slots=True)
class LayerLayout:
    """One layer's parameters in the packed vector, from number `start`; a panel of them is a multiple of
    `unit` numbers."""

    inputs: Panels
    outputs: Panels
    is_dot: bool
    start: int
    unit: int

    @property
    def panel(self) -> int:
        """Numbers in one panel of parameters."""
        if self.is_dot:
            numbers = self.weights + self.outputs.size * self.inputs.padded
        else:
            numbers = (1 + self.inputs.size) * self.outputs.width
        return rounded_up(numbers, self.unit)

    @property
    def weights(self) -> int:
        """Numbers before the weights of a panel: its biases."""
        return self.inputs.lanes if self.is_dot else self.outputs.width

    @property
    def end(self) -> int:
        """The number after the last."""
        return self.start + self.panel * (1 if self.is_dot else self.outputs.count)

    def positions(self) -> NDArray[np.int64]:
        """Where the flat order's numbers go: weights (outputs, inputs), then biases."""
        inputs, units = np.arange(self.inputs.size), np.arange(self.outputs.size)
        if self.is_dot:
            places = self.weights + units[:, None] * self.inputs.padded + inputs
            return self.start + np.append(places.ravel(), units)
        width = self.outputs.width
        biases = self.start + units // width * self.panel + units % width
        weights = biases[:, None] + (1 + inputs) * width
        return np.append(weights.ravel(), biases)


def layer_layouts(layers: tuple[LayerShape, ...], real: Real, few: int = 1) -> tuple[LayerLayout, ...]:
    """The layers one after the other; the last is made of dot products if it has so `few` outputs.

    So few parameters that they are updated all at once lie closely, more in panels of whole blocks.
    """
    close = _layouts(layers, real, few, real.lanes)
    return close if packed_size(close) <= SMALL else _layouts(layers, real, few, BLOCK * real.lanes)


def _layouts(layers: tuple[LayerShape, ...], real: Real, few: int, unit: int) -> tuple[LayerLayout, ...]:
    found: list[LayerLayout] = []
    for layer in layers:
        is_dot = layer is layers[-1] and layer.units <= few
        inputs, outputs = Panels(layer.inputs, real.lanes), Panels(layer.units, real.lanes)
        found.append(LayerLayout(inputs, outputs, is_dot, found[-1].end if found else 0, unit))
    return tuple(found)


def packed_size(layouts: tuple[LayerLayout, ...]) -> int:
    """Numbers in the packed vector."""
    return layouts[-1].end


def flat_positions(layouts: tuple[LayerLayout, ...]) -> NDArray[np.int64]:
    """Where each number of a plan's flat vector lies in the packed one."""
    return np.concatenate([layout.positions() for layout in layouts])


def row_tile(batch: int, registers: int) -> int:
    """How many rows the innermost loop computes at once: as many as registers allow, with little waste.

    Bits do not depend on it: each result is summed by itself, whatever its neighbours. Even (but for
    a batch of 1), since kernels sum even and odd rows apart.
    """
    if batch == 1 or registers < 32:
        return min(batch, 2)
    if batch < 8:
        return rounded_up(batch, 2)
    return min((8, 10, 12), key=lambda tile: (rounded_up(batch, tile) * (1 + 0.02 * abs(tile - 10)), -tile))


class Workspace:
    """The memory a program works in, given out region by region; offsets and sizes count numbers."""

    def __init__(self, real: Real) -> None:
        self._unit = 64 // real.bytes
        self.size = 0

    def region(self, numbers: int) -> int:
        """The offset of a new region, aligned to 64 bytes."""
        offset = self.size
        self.size += rounded_up(numbers, self._unit)
        return offset
