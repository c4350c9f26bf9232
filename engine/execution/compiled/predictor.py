"""Predictions and their gradients by machine code: parameters packed once, workspaces lent to each call."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

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


class Workspaces:
    """Workspaces of a program: as many as it was ever called at once, however many threads call it."""

    def __init__(self, numbers: int) -> None:
        self._numbers, self._idle = numbers, list[tuple[int, Array]]()

    def take(self) -> tuple[int, Array]:
        """One that nobody else has: its address, and what keeps it there."""
        try:
            return self._idle.pop()  # of a list: one step, so that no two threads get the same
        except IndexError:
            made = aligned_zeros(self._numbers, _FLOAT64)
            return address_of(made), made

    def give_back(self, workspace: tuple[int, Array]) -> None:
        """Leaves it to the next call."""
        self._idle.append(workspace)


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
        self._programs: dict[int, tuple[Callable[..., None], Workspaces]] = {}

    def __call__(self, x: Array) -> Array:
        """The scores; x of another width is refused, since the program would read past its end."""
        x = self._rows(x)
        scores = np.empty((len(x), self._outputs))
        if len(x):
            run, workspaces = self._program(1 if len(x) == 1 else ROWS_AT_ONCE)
            workspace = workspaces.take()
            run(address_of(x), address_of(scores), self._parameters, workspace[0], len(x))
            workspaces.give_back(workspace)
        return scores

    def gradients(self, x: Array, output: int | None = None) -> Gradients:
        """The scores, and the slopes of one of each row: `output`, or the greatest."""
        if output is not None and not 0 <= output < self._outputs:
            raise ValueError(f"output must lie between 0 and {self._outputs - 1}, got {output}")
        x = self._rows(x)
        scores, slopes = np.empty((len(x), self._outputs)), np.empty_like(x)
        chosen = np.full(len(x), output or 0)
        if len(x):
            program, transposed, workspaces = self._gradient_program
            arrays = map(address_of, (x, scores, chosen, slopes, self._packed, transposed))
            workspace = workspaces.take()
            program.gradients(*arrays, workspace[0], len(x), output is None)
            workspaces.give_back(workspace)
        return Gradients(chosen, scores, slopes)

    def single_row_call(self, x: Array) -> Callable[[], None]:
        """A bare call of the single row's program on every row of x: for measuring it."""
        x = np.ascontiguousarray(x, np.float64)
        run, workspaces = self._program(1)
        arrays = (x, np.empty((len(x), self._outputs)), workspaces.take()[1])
        x_at, scores_at, workspace = map(address_of, arrays)
        addresses = (x_at, scores_at, self._parameters, workspace)
        return lambda: run(*addresses, len(arrays[0]))

    def _rows(self, x: Array) -> Array:
        if x.dtype != np.float64 or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != self._inputs:
            raise ValueError(f"x must have {self._inputs} columns, got shape {x.shape}")
        return x

    @cached_property
    def _gradient_program(self) -> tuple[GradientProgram, Array, Workspaces]:
        """The program, and the weights as it takes them back: made when the first gradient is asked for."""
        program = gradient_program(self._layers, self._target, self._cache_directory)
        transposed = aligned_zeros(program.transposed_size, _FLOAT64)
        program.transpose(self._parameters, address_of(transposed))
        return program, transposed, Workspaces(program.size)

    def _program(self, block: int) -> tuple[Callable[..., None], Workspaces]:
        """The program for blocks of so many rows, and its workspaces."""
        if block not in self._programs:
            program = prediction_program(self._layers, block, self._target, self._cache_directory)
            self._programs.setdefault(block, (program.forward, Workspaces(program.size)))
        return self._programs[block]
