"""What this core can do at most, measured with code of our own compiler."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.workloads import Workload
from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text

CHAINS = 12
TANH_NANOSECONDS = 0.6
ADAM_NANOSECONDS = 0.6


def peak_gflops(seconds: float = 0.5) -> float:
    """Operations a second of fused multiply-adds in registers, each counted as two: the best of many."""

    def body(code: Vectors) -> None:
        factor, term = code.load("%a"), code.load("%a", 8)

        def turn(_: Index, sums: list[str]) -> list[str]:
            return [code.fma(x, factor, term) for x in sums]

        for i, x in enumerate(code.loop(0, "%n", 1, [(DOUBLE.vector, term)] * CHAINS, turn)):
            code.store(x, "%a", 16 + 8 * i)

    module = Module(DOUBLE)
    module.entry("run", ["%a*", "%n"], body)
    run = compile_text(module.text, ("run",)).function("run", 2)
    numbers: Any = np.zeros(16 + 8 * CHAINS + 8)
    start = -numbers.ctypes.data % 64 // 8
    numbers[start : start + 16] = 1e-3
    turns, best, until = 100_000, 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        run(numbers[start:].ctypes.data, turns)
        best = max(best, turns * CHAINS * 16 / (time.perf_counter() - started) * 1e-9)
    return best


def floor_microseconds(workload: Workload, peak: float) -> float:
    """A step's least time: its matrix operations at the peak, Adam and tanh at the best we know."""
    plan, rows = workload.plan, len(workload.plan.train) / workload.plan.steps_per_epoch
    nanoseconds = workload.flops / peak
    if plan.optimizer.name == "adam":
        nanoseconds += ADAM_NANOSECONDS * plan.parameter_count
    if workload.activation == "tanh":
        nanoseconds += TANH_NANOSECONDS * rows * sum(workload.sizes[1:-1])
    return nanoseconds * 1e-3
