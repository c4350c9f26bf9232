"""Predictions by machine code: parameters packed once, a workspace for each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.compiler.jit import Target
from engine.compiler.kernels.layout import flat_positions
from engine.compiler.programs.prediction import ROWS_AT_ONCE, PredictionShape, prediction_program
from engine.execution.compiled import aligned_zeros, layer_shapes
from engine.execution.plan import Array, LayerPlan

_FLOAT64 = np.dtype(np.float64)


class CompiledPredictor:
    """(rows, inputs) → (rows, outputs): one row by a program of its own, many in blocks.

    A row's scores are the same bits, whatever rows stand beside it.
    """

    def __init__(
        self,
        layers: tuple[LayerPlan, ...],
        parameters: Array,
        *,
        target: Target | None = None,
        cache_directory: Path | None = None,
    ) -> None:
        self._layers, self._outputs = layer_shapes(layers), layers[-1].units
        self._target, self._cache_directory = target, cache_directory
        layouts = PredictionShape(self._layers, 1).layouts
        self._packed = aligned_zeros(layouts[-1].end, _FLOAT64)
        self._packed[flat_positions(layouts)] = parameters
        self._parameters = _address(self._packed)
        self._inputs = layers[0].inputs
        self._threads = threading.local()

    def __call__(self, x: Array) -> Array:
        """The scores; x of another width is refused, since the program would read past its end."""
        if x.dtype != np.float64 or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != self._inputs:
            raise ValueError(f"x must have {self._inputs} columns, got shape {x.shape}")
        scores = np.empty((len(x), self._outputs))
        if len(x):
            run, workspace = self._program(1 if len(x) == 1 else ROWS_AT_ONCE)
            run(_address(x), _address(scores), self._parameters, workspace, len(x))
        return scores

    def single_row_call(self, x: Array) -> Callable[[], None]:
        """A bare call of the single row's program on every row of x: for measuring it."""
        x = np.ascontiguousarray(x, np.float64)
        run, workspace = self._program(1)
        arrays = (x, np.empty((len(x), self._outputs)))
        addresses = [*map(_address, arrays), self._parameters, workspace]
        return lambda: run(*addresses, len(arrays[0]))

    def _program(self, block: int) -> tuple[Callable[..., None], int]:
        """The program for blocks of so many rows, and the address of this thread's workspace for it."""
        known: dict[Any, Any] = self._threads.__dict__
        if block not in known:
            program = prediction_program(self._layers, block, self._target, self._cache_directory)
            workspace = aligned_zeros(program.size, _FLOAT64)
            known[block] = program.forward, workspace.ctypes.data, workspace
        run, address, _ = known[block]
        return run, address


def _address(array: Array) -> int:
    """Where an array's numbers lie; half the price of `array.ctypes.data`."""
    address: int = array.__array_interface__["data"][0]
    return address
