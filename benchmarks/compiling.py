"""What a new network waits for before its first step: compiled anew, and loaded from the object cache.

`./dev bench compiling`. Each time is taken in a process of its own that has trained another network before,
as a worker has (its warm-up, timed too): milliseconds on the clock, medians.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from benchmarks.workloads import NAMES, make_workload
from engine.compiler.jit import host
from engine.compiler.programs.shape import ProgramShape
from engine.compiler.programs.training import Program, traced_update
from engine.execution.compiled.memory import shape_of
from engine.execution.plan import LayerPlan
from engine.training.warm_up import warm_up

COLD, CACHED, FIFTY_LAYERS = 150.0, 5.0, 500.0
DEEP = {"3 layers": 3, "50 layers": 50}
_WARM_UP = """
import time
started = time.perf_counter()
from engine.training.warm_up import warm_up
warm_up()
print((time.perf_counter() - started) * 1e3)
"""


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def shape(name: str) -> ProgramShape:
    """A workload's, or that of so many hidden layers of 64 on the digits."""
    if name not in DEEP:
        return shape_of(make_workload(name).plan)
    plan = make_workload("W4").plan
    first, *_, last = plan.layers
    inner = (LayerPlan(64, 64, "relu") for _ in range(DEEP[name] - 1))
    layers = (LayerPlan(first.inputs, 64, "relu"), *inner, LayerPlan(64, last.units, "linear"))
    return shape_of(replace(plan, layers=layers))


def print_waits(name: str) -> None:
    """Prints how long a program takes in this process: cold, and from the cache."""
    wanted = shape(name)
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        make = partial(Program, wanted, host(), Path(folder))
        cold = timed(make)
        traced_update.cache_clear()
        click.echo(f"{cold} {timed(make)}")


def medians(command: list[str], times: int) -> list[float]:
    """Of the numbers that a command prints, over so many runs."""
    runs = [
        subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
        for _ in range(times)
    ]
    return [
        statistics.median(each)
        for each in zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    ]


@click.command()
@click.option("--times", default=5, show_default=True)
@click.option("--one", type=click.Choice([*NAMES, *DEEP]), help="time this one here, and once")
def main(times: int, one: str | None) -> None:
    """Measure how long compiling takes."""
    if one:
        print_waits(one)
        return
    click.echo(f"warm-up, imports included: {medians(['-c', _WARM_UP], times)[0]:.0f} ms")
    for name in (*NAMES, *DEEP):
        cold, cached = medians(["-m", "benchmarks.compiling", "--one", name], times)
        missed = cold > (FIFTY_LAYERS if name in DEEP else COLD) or cached > CACHED
        click.echo(f"{name:<9} cold {cold:6.1f} ms   cached {cached:5.2f} ms{'   MISSED' * missed}")


if __name__ == "__main__":
    main()
