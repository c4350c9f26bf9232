"""Predictions and their gradients by machine code: parameters packed once, a workspace for each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.jit import Target
from engine.compiler.kernels.layout import flat_positions, layer_layouts, packed_size
from engine.compiler.programs.forward import ROWS_AT_ONCE
from engine.compiler.programs.frame import address_of
from engine.compiler.programs.gradients import GradientProgram, gradient_program
from engine.compiler.programs.prediction import prediction_program
from engine.execution.array_predictor import Gradients
from engine.execution.compiled.memory import aligned_zeros, layer_shapes
from engine.execution.plan import Array, LayerPlan

_FLOAT64 = np.dtype(np.float64)
_GRADIENTS = "gradients"


class CompiledPredictor:
    """(rows, inputs) → (rows, outputs): one row by a program of its own, many in blocks.

    A row's scores and gradients are the same bits, whatever rows stand beside it.
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
        layouts = layer_layouts(self._layers, DOUBLE)
        self._packed = aligned_zeros(packed_size(layouts), _FLOAT64)
        self._packed[flat_positions(layouts)] = parameters
        self._parameters = address_of(self._packed)
        self._inputs = layers[0].inputs
        self._threads = threading.local()

    def __call__(self, x: Array) -> Array:
        """The scores; x of another width is refused, since the program would read past its end."""
        x = self._rows(x)
        scores = np.empty((len(x), self._outputs))
        if len(x):
            run, workspace = self._program(1 if len(x) == 1 else ROWS_AT_ONCE)
            run(address_of(x), address_of(scores), self._parameters, workspace, len(x))
        return scores

    def gradients(self, x: Array, output: int | None = None) -> Gradients:
        """The scores, and the slopes of one of each row: `output`, or the greatest."""
        if output is not None and not 0 <= output < self._outputs:
            raise ValueError(f"output must lie between 0 and {self._outputs - 1}, got {output}")
        x = self._rows(x)
        scores, slopes = np.empty((len(x), self._outputs)), np.empty_like(x)
        chosen = np.full(len(x), output or 0)
        if len(x):
            program, transposed = self._gradient_program
            arrays = map(address_of, (x, scores, chosen, slopes, self._packed, transposed))
            workspace = self._workspace(_GRADIENTS, program.size)
            program.gradients(*arrays, workspace, len(x), output is None)
        return Gradients(chosen, scores, slopes)

    def single_row_call(self, x: Array) -> Callable[[], None]:
        """A bare call of the single row's program on every row of x: for measuring it."""
        x = np.ascontiguousarray(x, np.float64)
        run, workspace = self._program(1)
        arrays = (x, np.empty((len(x), self._outputs)))
        addresses = [*map(address_of, arrays), self._parameters, workspace]
        return lambda: run(*addresses, len(arrays[0]))

    def _rows(self, x: Array) -> Array:
        if x.dtype != np.float64 or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != self._inputs:
            raise ValueError(f"x must have {self._inputs} columns, got shape {x.shape}")
        return x

    @cached_property
    def _gradient_program(self) -> tuple[GradientProgram, Array]:
        """The program, and the weights as it takes them back: made when the first gradient is asked for."""
        program = gradient_program(self._layers, self._target, self._cache_directory)
        transposed = aligned_zeros(program.transposed_size, _FLOAT64)
        program.transpose(self._parameters, address_of(transposed))
        return program, transposed

    def _program(self, block: int) -> tuple[Callable[..., None], int]:
        """The program for blocks of so many rows, and the address of this thread's workspace for it."""
        known: dict[Any, Any] = self._threads.__dict__
        if block not in known:
            program = prediction_program(self._layers, block, self._target, self._cache_directory)
            known[block] = program.forward, self._workspace(("block", block), program.size)
        found: tuple[Callable[..., None], int] = known[block]
        return found

    def _workspace(self, purpose: Any, numbers: int) -> int:
        """The address of this thread's workspace for a purpose."""
        known: dict[Any, Array] = self._threads.__dict__
        if purpose not in known:
            known[purpose] = aligned_zeros(numbers, _FLOAT64)
        return address_of(known[purpose])
