"""What this core can do at most, measured with code of our own compiler."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from benchmarks.workloads import Workload
from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text, host

CHAINS = 12 if host().registers >= 32 else 6  # as many as its registers hold beside a factor and a term
TURNS = 100_000
TANH_NANOSECONDS = 0.6
ADAM_NANOSECONDS = 0.6
"""Constants of the floor, as they were found at 106 GFLOP/s: the 16 cycles that the divider takes for eight
numbers, at 3.3 GHz. They do not follow the clock of the day, which the peak does."""


class Peak:
    """Fused multiply-adds in registers, and nothing else.

    A burst is a contestant like any training: measured in the same rounds, with the same statistic. A
    median of ours beside the peak's best moment would blame the code for the clock, which drifts on a
    shared machine; beside the peak of another minute, it would flatter as easily.
    """

    operations = TURNS * CHAINS * DOUBLE.lanes * 2
    """Of a burst; a multiply-add is two."""

    def __init__(self) -> None:
        self._run, self._numbers = _multiply_adds(), np.zeros(16 + DOUBLE.lanes * CHAINS + 8)
        start = -self._numbers.ctypes.data % 64 // 8
        self._numbers[start : start + 16] = 1e-3
        self._address = self._numbers[start:].ctypes.data
        self.best = math.inf

    def burst(self) -> None:
        """Some 0.2 ms of them; `best` holds the seconds of the fastest yet."""
        started = time.perf_counter()
        self._run(self._address, TURNS)
        self.best = min(self.best, time.perf_counter() - started)

    def gflops(self, seconds: float) -> float:
        """Operations a nanosecond, where a burst takes so many seconds."""
        return self.operations / seconds * 1e-9


def _multiply_adds() -> Any:
    """The function `run(numbers, turns)`: as many chains as keep both multipliers busy."""

    def body(code: Vectors) -> None:
        factor, term = code.load("%a"), code.load("%a", 8)

        def turn(_: Index, sums: list[str]) -> list[str]:
            return [code.fma(x, factor, term) for x in sums]

        for i, x in enumerate(code.loop(0, "%n", 1, [(DOUBLE.vector, term)] * CHAINS, turn)):
            code.store(x, "%a", 16 + 8 * i)

    module = Module(DOUBLE)
    module.entry("run", ["%a*", "%n"], body)
    return compile_text(module.text, ("run",)).function("run", 2)


def floor_microseconds(workload: Workload, peak: float) -> float:
    """A step's least time: its matrix operations at the peak, Adam and tanh at the best we know.

    All rows count, though one beyond the hinge's margin needs no way back: the moons can pass their floor.
    """
    plan, rows = workload.plan, len(workload.plan.train) / workload.plan.steps_per_epoch
    nanoseconds = workload.flops / peak
    if plan.optimizer.name == "adam":
        nanoseconds += ADAM_NANOSECONDS * plan.parameter_count
    if workload.activation == "tanh":
        nanoseconds += TANH_NANOSECONDS * rows * sum(workload.sizes[1:-1])
    return nanoseconds * 1e-3
