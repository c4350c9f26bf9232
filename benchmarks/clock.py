"""The clock that a core keeps under our kernels, on x86: `./dev bench clock`.

Multiply-adds in registers are the peak that floors are counted from. With loads beside them a core draws more
power and lowers its clock, so a kernel that issues as many a cycle still falls behind. This prints both for
the peak and for layers of the workloads: operations a second, and operations a cycle (32 at most where two
multiply-adds of eight float64 begin in each). The clock is counted by a chain of dependent multiply-adds,
four cycles each, run within the same call: a moment later it has changed.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import click
import numpy as np

from benchmarks.machine import CHAINS
from engine.compiler.assembly.ir import DOUBLE, Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text, host
from engine.compiler.kernels.dense import Product, Rows, product
from engine.compiler.kernels.layout import Panels, rounded_up, row_tile

CHAIN, CYCLES = 2_000, 4
BURST = 0.002
"""Seconds between two looks at the clock."""
LAYERS = ((16, 16, 96), (64, 128, 64), (128, 64, 64), (512, 512, 256))
"""Inputs, outputs and rows."""


def _registers(code: Vectors) -> None:
    start = code.load("%a")
    carried = [(DOUBLE.vector, start)] * CHAINS
    sums = code.loop(0, "%n", 1, carried, lambda _, sums: [code.fma(x, start, start) for x in sums])
    for i, total in enumerate(sums):
        code.store(total, "%w", i * DOUBLE.lanes)


def _layer(module: Module, inputs: int, outputs: int, batch: int) -> Callable[[Vectors], None]:
    tile = row_tile(batch, host().registers)
    before, after = Panels(inputs, DOUBLE.lanes), Panels(outputs, DOUBLE.lanes)
    rows = Rows(rounded_up(batch, tile) + DOUBLE.lanes, tile, batch, host().registers)
    kernel = product(
        module, Product(before, after, 1, (1 + inputs) * after.width, rows), lambda _, total: total
    )

    def emit(code: Vectors) -> None:
        def turn(_: Index, __: list[str]) -> list[str]:
            code.call(kernel, rounded_up(batch, tile), pointers=["%a", "%w", "%out", "null"])
            return []

        code.loop(0, "%n", 1, [], turn)

    return emit


def _now(code: Vectors) -> str:
    code.declare("i64 @llvm.readcyclecounter()")
    return code.value("call i64 @llvm.readcyclecounter()")


def _look(code: Vectors) -> None:
    """Leaves the ticks that the chain took in the first number of %out."""
    code.declare("void @llvm.x86.sse2.lfence()")
    code.declare("double @llvm.fma.f64(double, double, double)")
    factor = code.load_number("%a")

    def ticks() -> str:
        code.do("call void @llvm.x86.sse2.lfence()")
        now = _now(code)
        code.do("call void @llvm.x86.sse2.lfence()")
        return now

    def four(_: Index, sums: list[str]) -> list[str]:
        call = "call double @llvm.fma.f64(double {0}, double {1}, double {1})"
        return [reduce(lambda x, _: code.value(call.format(x, factor)), range(4), sums[0])]

    before = ticks()
    code.store_number(code.loop(0, CHAIN, 4, [("double", factor)], four)[0], "%out", 1)
    code.store_index(code.subtract(ticks(), before), "%out")


class Contestant:
    """Code that is run `n` times between two looks at the clock."""

    def __init__(self, name: str, operations: int, module: Module, work: Callable[[Vectors], None]) -> None:
        def body(code: Vectors) -> None:
            work(code)
            _look(code)

        module.entry("run", ["%a*", "%w*", "%out*", "%n"], body)
        self._run = compile_text(module.text, ("run",)).function("run", 4)
        self.name, self._operations = name, operations
        self._arrays: list[Any] = [np.random.default_rng(i).random(2**19) * 1e-3 for i in range(3)]
        self._addresses = [array.ctypes.data + -array.ctypes.data % 64 for array in self._arrays]
        self._turns = max(1, int(BURST * 80e9 / operations))

    def burst(self) -> tuple[float, float]:
        """Operations a nanosecond, and ticks of the chain."""
        started = time.perf_counter()
        self._run(*self._addresses, self._turns)
        seconds = time.perf_counter() - started
        ticks = self._arrays[2][(-self._arrays[2].ctypes.data % 64) // 8 :][:1].view(np.int64)[0]
        return self._operations * self._turns / seconds * 1e-9, float(ticks)

    def sustained(self, seconds: float) -> tuple[float, float]:
        """The medians over some time, long enough for the clock to settle."""
        bursts, until = [self.burst()], time.perf_counter() + seconds
        while time.perf_counter() < until:
            bursts.append(self.burst())
        gflops, ticks = zip(*bursts, strict=True)
        return statistics.median(gflops), statistics.median(ticks)


def _ticks_a_nanosecond() -> float:
    module = Module(DOUBLE)
    module.entry("run", ["%out*"], lambda code: code.store_index(_now(code), "%out"))
    run, now = compile_text(module.text, ("run",)).function("run", 1), np.zeros(1, np.int64)

    def both() -> tuple[int, int]:
        run(now.ctypes.data)
        return int(now[0]), time.perf_counter_ns()

    ticks, started = both()
    time.sleep(0.2)
    later, ended = both()
    return (later - ticks) / (ended - started)


@click.command()
@click.option("--seconds", default=0.5, show_default=True, help="for each contestant of a round")
@click.option("--rounds", default=3, show_default=True)
def main(*, seconds: float, rounds: int) -> None:
    """Prints operations a second and a cycle of the peak and of layers, one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    everybody = [Contestant("registers", CHAINS * DOUBLE.lanes * 2, Module(DOUBLE), _registers)]
    for inputs, outputs, batch in LAYERS:
        module = Module(DOUBLE)
        work = _layer(module, inputs, outputs, batch)
        operations = 2 * inputs * outputs * batch
        everybody.append(Contestant(f"{inputs} to {outputs}, {batch} rows", operations, module, work))
    speed = _ticks_a_nanosecond()
    for _ in range(rounds):
        for one in everybody:
            gflops, ticks = one.sustained(seconds)
            clock = CHAIN * CYCLES / ticks * speed
            print(
                f"{one.name:22} {gflops:6.1f} GFLOP/s at {clock:.2f} GHz, {gflops / clock:.1f} a cycle",
                flush=True,
            )


if __name__ == "__main__":
    main()
