"""Trainings and predictions by the engine and by others, side by side: `./dev bench engine [--quick]`.

One process, one core, one thread for everybody; rounds interleaved, medians of them. The core's peak, of
which the floor is made, is measured in the same rounds. Before any time is believed the losses must agree.
`--quick` checks the agreement with NumPy and measures nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import click  # noqa: E402 - the numbers of threads must be set before NumPy is loaded
import numpy as np  # noqa: E402

from benchmarks import predictions  # noqa: E402
from benchmarks.machine import Peak, floor_microseconds  # noqa: E402
from benchmarks.peers import is_installed, peer  # noqa: E402
from benchmarks.workloads import NAMES, Workload, make_workload  # noqa: E402
from engine.execution.compiled.executor import CompiledExecutor  # noqa: E402
from engine.execution.eager import EagerExecutor  # noqa: E402

TOLERANCE = 1e-9
ROUND_SECONDS = 0.05


def ours(workload: Workload) -> Callable[[], Any]:
    """A whole training by the compiled executor."""
    executor, state = CompiledExecutor(workload.plan, workload.state), workload.state

    def train() -> Any:
        executor.load(state)
        return executor.run(workload.plan.epochs)

    return train


def epoch_losses(workload: Workload, losses: list[float]) -> list[float]:
    """A peer's losses of steps as losses of the whole epochs among them, rows weighing alike."""
    sizes = [len(batch) for batch in workload.batches[0]]
    epochs = [losses[i : i + len(sizes)] for i in range(0, len(losses) - len(sizes) + 1, len(sizes))]
    return [float(np.average(epoch, weights=sizes)) for epoch in epochs]


def check(workload: Workload, name: str, losses: list[float] | None, mine: list[float]) -> float:
    """The greatest relative distance of a peer's losses from ours; ends the program if it is too great."""
    if losses is None:
        return float("nan")
    theirs = epoch_losses(workload, losses)
    if not theirs:
        return float("nan")
    distance = max(abs(a - b) / max(abs(b), 1e-12) for a, b in zip(theirs, mine, strict=False))
    if not distance <= TOLERANCE:
        sys.exit(f"{workload.name}: {name}'s losses are off by {distance:.1e}: no time is believed")
    return distance


def contestants(workload: Workload) -> dict[str, tuple[Callable[[], Any], int]]:
    """Everybody who is installed: the training, and the steps it makes."""
    modules = {name: peer(name) for name in ("numpy", "scikit", "torch", "jax")}
    return {name: (module.trainer(workload), workload.steps) for name, module in modules.items() if module}


def measure(everybody: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, float]:
    """Microseconds a step: medians of interleaved rounds."""
    repeats, times = {}, {name: [] for name in everybody}  # type: dict[str, int], dict[str, list[float]]
    for name, (train, _) in everybody.items():
        started = time.perf_counter()
        train()
        repeats[name] = max(1, int(ROUND_SECONDS / max(time.perf_counter() - started, 1e-7)))
    for _ in range(rounds):
        for name, (train, steps) in everybody.items():
            started = time.perf_counter()
            for _ in range(repeats[name]):
                train()
            times[name].append((time.perf_counter() - started) / repeats[name] / steps * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def eager_against_micrograd(workload: Workload, rounds: int) -> dict[str, float]:
    """Milliseconds a step of Values, and of the micrograd package."""
    steps = 2 if workload.plan.batch_size is None else 100
    theirs = peer("micrograd").trainer(workload, steps)

    def mine() -> None:
        EagerExecutor(workload.plan, workload.state).run(max(1, steps // workload.plan.steps_per_epoch))

    both = {"eager": (mine, steps), "micrograd": (theirs, steps)}
    return {name: us / 1e3 for name, us in measure(both, rounds).items()}


def bench(name: str, rounds: int, peak: Peak) -> dict[str, Any]:
    """One workload, everybody: checked and measured."""
    workload = make_workload(name)
    train = ours(workload)
    mine = train().rows[:, 0].tolist()
    others = contestants(workload)
    distances = {who: check(workload, who, run(), mine) for who, (run, _) in others.items()}
    steps = workload.plan.epochs * workload.plan.steps_per_epoch
    us = measure({"ours": (train, steps), "peak": (peak.burst, 1), **others}, rounds)
    usual, best = peak.gflops(us.pop("peak") * 1e-6), peak.gflops(peak.best)
    floors = [floor_microseconds(workload, gflops) for gflops in (usual, best)]
    report = {
        "us": us,
        "floor_us": floors[0],
        "peak_gflops": usual,
        "best_peak_gflops": best,
        "distance": distances,
        "flops": workload.flops,
    }
    ratios = "  ".join(
        f"{who} {value:.3g} ({value / us['ours']:.1f}x)" for who, value in us.items() if who != "ours"
    )
    usual_share, at_best = (floor / us["ours"] for floor in floors)
    share = f"{usual_share:.0%} of the floor at {usual:.0f} GFLOP/s ({at_best:.0%} at its best, {best:.0f})"
    print(f"{name:4} ours {us['ours']:.3f} us a step, {share}   {ratios}", flush=True)
    if name in ("W1", "W6") and is_installed("micrograd"):
        report["values_ms"] = values = eager_against_micrograd(workload, 3)
        ratio = values["micrograd"] / values["eager"]
        mine_ms, theirs_ms = values["eager"], values["micrograd"]
        print(f"     Values {mine_ms:.3g} ms a step, micrograd {theirs_ms:.3g} ms ({ratio:.1f}x)")
    return report


def quick() -> None:
    """Only whether losses, predictions and gradients agree with NumPy's."""
    for name in NAMES:
        if name == "W5":
            continue
        workload = make_workload(name)
        train = ours(workload)
        mine = train().rows[:, 0].tolist()
        distance = check(workload, "numpy", peer("numpy").trainer(workload)(), mine)
        apart = predictions.check(workload)
        if not apart <= predictions.TOLERANCE:
            sys.exit(f"{name}: predictions or gradients are off by {apart:.1e}")
        print(
            f"{name:4} losses agree with NumPy's to {distance:.1e}, predictions and gradients to {apart:.1e}"
        )


@click.command()
@click.option("--quick", "is_quick", is_flag=True, help="only check that losses agree; no peers needed")
@click.option("--only", default=",".join(NAMES), show_default=True, help="workloads, comma between")
@click.option("--rounds", default=9, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="where the figures go as JSON")
def main(*, is_quick: bool, only: str, rounds: int, output: Path | None) -> None:
    """Measures the engine beside others on one core."""
    if is_quick:
        quick()
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    peak = Peak()
    names = only.split(",")
    report: dict[str, Any] = {"training": {}, "prediction": {}}
    for name in names:
        report["training"][name] = bench(name, 3 if name == "W5" else rounds, peak)
    for name in names:
        report["prediction"][name] = predictions.bench(make_workload(name), rounds)
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
