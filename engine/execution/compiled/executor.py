"""The compiled executor: the whole training as one program of vector instructions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler.jit import Target
from engine.compiler.kernels.layout import flat_positions
from engine.compiler.programs.frame import Frame
from engine.compiler.programs.shape import variables
from engine.compiler.programs.training import KNOWN_CORRECTIONS, program
from engine.execution.compiled.memory import Data, aligned_zeros, correction_numbers, shape_of
from engine.execution.plan import (
    DROPOUT_STREAM,
    SHUFFLE_STREAM,
    Array,
    Best,
    Plan,
    Progress,
    Rows,
    State,
)
from engine.execution.tally import deviation_square
from engine.nn.optimizers import OPTIMIZERS
from engine.randomness import stream_key

RATES_AHEAD = 64
"""Learning rates that are handed over in advance: chunks begin with single epochs."""


class CompiledExecutor:
    """Trains with machine code made for the plan's shape."""

    name = "compiled"

    def __init__(
        self,
        plan: Plan,
        state: State,
        *,
        target: Target | None = None,
        cache_directory: Path | None = None,
    ) -> None:
        self._plan, self._state, self._stale = plan, state, False
        shape = shape_of(plan)
        self._shape, self._program = shape, program(shape, target, cache_directory)
        self._dtype = np.dtype(plan.precision)
        self._positions = flat_positions(shape.layouts)
        self._workspace = aligned_zeros(self._program.network.size, self._dtype)
        self._frame = Frame()
        self._arrays: dict[str, NDArray[Any]] = {}
        self._blocks, self._best = self._regions()
        self._history, self._rates = np.empty((0, len(plan.columns))), np.empty(0)
        self._describe()
        self.load(state)

    @property
    def numerics(self) -> str:
        """The arithmetic: the version of what the compiler writes, not of LLVM, which may not change it."""
        return "compiled-6"

    def _hand_over(self, **arrays: NDArray[Any]) -> None:
        """Puts arrays' addresses in the frame, and keeps the arrays alive."""
        for name, array in arrays.items():
            self._arrays[name] = array
            self._frame[name] = array

    def _describe(self) -> None:
        """Fills the frame with all that does not change."""
        plan, frame = self._plan, self._frame
        train = Data(plan.train, self._shape)
        self._hand_over(x=train.x, targets=train.targets, weights=train.weights, order=train.order)
        if self._shape.shuffled:
            self._hand_over(swaps=np.empty_like(train.order))
        if plan.validation is not None:
            held = Data(plan.validation, self._shape)
            self._hand_over(
                validation_x=held.x,
                validation_targets=held.targets,
                validation_weights=held.weights,
                validation_order=held.order,
            )
            frame["validation_rows"] = len(plan.validation)
        corrections = aligned_zeros(correction_numbers(plan, self._shape), self._dtype)
        knobs = np.array([*variables(plan.optimizer.knobs), 0.0], self._dtype)
        self._hand_over(workspace=self._workspace, corrections=corrections, knobs=knobs)
        self._hand_over(known_corrections=self._known_corrections())
        frame["rows"], frame["steps"] = len(plan.train), plan.steps_per_epoch
        frame["steps_taken"] = plan.steps_per_epoch
        frame["shuffle_key"] = _signed(stream_key(plan.seed, SHUFFLE_STREAM))
        frame["dropout_key"] = _signed(stream_key(plan.seed, DROPOUT_STREAM))
        stopping = plan.early_stopping
        frame["patience"] = stopping.patience if stopping else np.iinfo(np.int64).max
        frame["min_delta"] = stopping.min_delta if stopping else 0.0
        frame["clip_norm"] = plan.optimizer["clip_norm"] or 0.0
        self._describe_split("train", plan.train)
        if plan.validation is not None:
            self._describe_split("val", plan.validation)

    def _describe_split(self, split: str, rows: Rows) -> None:
        """What the sums over a split's rows are divided by."""
        frame = self._frame
        frame[f"{split}_loss_divisor"] = float(len(rows) * self._shape.loss_divisor)
        frame[f"{split}_count"], frame[f"{split}_scale"] = float(len(rows)), rows.scale
        if self._plan.task == "regression":
            frame[f"{split}_deviation_square"] = deviation_square(rows) or math.nan

    def _known_corrections(self) -> NDArray[Any]:
        """(corrections, first steps): made by the optimizer itself."""
        optimizer, knobs = OPTIMIZERS.get(self._plan.optimizer.name), self._plan.optimizer.knobs
        count = min(KNOWN_CORRECTIONS, self._plan.epochs * self._plan.steps_per_epoch)
        known = np.zeros((max(len(self._program.traced.corrections), 1), KNOWN_CORRECTIONS), self._dtype)
        if self._program.traced.corrections:
            known[:, :count] = np.array([optimizer.corrections(knobs, t) for t in range(1, count + 1)]).T
        return known

    # The state, in the plan's flat order outside and packed inside

    def _regions(self) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Where the workspace holds the parameters and each of their moments, and the best parameters."""
        network, guarded = self._program.network, self._shape.guarded
        size, count = network.packed, 1 + len(self._state.moments) + guarded
        starts = [network.offset("parameters") + block * size for block in range(count)]
        blocks = [self._workspace[start : start + size] for start in starts]
        if guarded:
            blocks.pop()[self._positions] = 1.0  # the mask of padding
        best = network.offset("best")
        return blocks, self._workspace[best : best + size]

    def load(self, state: State) -> None:
        """Goes on from another state of the same plan."""
        self._state, self._stale = state, False
        for block, numbers in zip(self._blocks, (state.parameters, *state.moments), strict=True):
            block[self._positions] = numbers
        self._frame["epoch"] = state.epoch
        self._frame["best_epoch"], self._frame["best_value"] = 0, math.inf
        if state.best is not None:
            self._frame["best_epoch"], self._frame["best_value"] = state.best.epoch, state.best.value
            self._best[self._positions] = state.best.parameters

    @property
    def state(self) -> State:
        """Where the training stands."""
        if self._stale:
            self._state, self._stale = self._read(), False
        return self._state

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return int(self._frame["epoch"])

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, 0 before any."""
        return int(self._frame["best_epoch"])

    def _read(self) -> State:
        frame = self._frame
        parameters, *moments = (block[self._positions] for block in self._blocks)
        best = None
        if frame["best_epoch"]:
            best = Best(int(frame["best_epoch"]), frame["best_value"], self._best[self._positions])
        return State(int(frame["epoch"]), parameters, tuple(moments), best)

    def run(self, epochs: int) -> Progress:
        """Trains up to `epochs` epochs more."""
        plan, frame, first = self._plan, self._frame, self.epoch
        last = min(first + epochs, plan.epochs)
        if last <= first or plan.is_over(first, self.best_epoch):
            return Progress(np.empty((0, len(plan.columns))))
        history = self._run_to(first, last)
        done = int(frame["epoch"])
        diverged = done if frame["diverged"] else None
        return Progress(history[: done - first - (diverged is not None)].copy(), diverged)

    def partway(self, steps: int) -> State:
        """The state `steps` steps into the next epoch; the executor is left there."""
        if not steps:
            return self.state
        before = self.state
        self._frame["steps_taken"] = steps
        self._run_to(before.epoch, before.epoch + 1)
        return replace(self._read(), epoch=before.epoch)

    def _run_to(self, first: int, last: int) -> Array:
        """Runs the program over some epochs; their rows of history."""
        self._hand_rates_over(last)
        frame, history = self._frame, self._room_for(last - first)
        frame["first_epoch"], frame["last_epoch"] = first, last
        self._program.run(frame.address)
        self._stale = True
        return history

    def _hand_rates_over(self, last: int) -> None:
        """Gives the program the learning rates of the epochs before `last`, and of some to come."""
        known = len(self._rates)
        if known < last:
            ahead = min(max(last, known + RATES_AHEAD), self._plan.epochs)
            self._rates = np.append(self._rates, self._plan.learning_rates(known, ahead))
            self._hand_over(rates=self._rates)

    def _room_for(self, epochs: int) -> Array:
        """(epochs, columns): the same memory again, which need not be cleared."""
        if len(self._history) < epochs:
            self._history = np.empty((epochs, len(self._plan.columns)))
            self._hand_over(history=self._history)
        return self._history[:epochs]


def _signed(word: int) -> int:
    """A 64-bit word as the signed integer of the same bits."""
    return word - 2**64 if word >= 2**63 else word
