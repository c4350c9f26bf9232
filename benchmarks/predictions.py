"""Predictions by the engine and by ONNX Runtime in float64, one row and 10,000; and their gradients."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import peer
from benchmarks.workloads import Workload
from engine.execution.array_predictor import ArrayPredictor
from engine.execution.compiled.predictor import CompiledPredictor

MANY = 10_000
TOLERANCE = 1e-12


def _microseconds(run: Callable[[], Any], rounds: int) -> float:
    run()
    started = time.perf_counter()
    run()
    repeats, times = max(1, int(0.02 / max(time.perf_counter() - started, 1e-7))), []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(repeats):
            run()
        times.append((time.perf_counter() - started) / repeats * 1e6)
    return statistics.median(times)


def bench(w: Workload, rounds: int) -> dict[str, float]:
    """Microseconds: one row in the kernel and through Python, 10,000 rows, gradients; ONNX Runtime's."""
    assert check(w) < TOLERANCE
    predictor = CompiledPredictor(w.plan.layers, w.parameters)
    x = np.random.default_rng(1).standard_normal((MANY, w.sizes[0]))
    one, expected = x[:1].copy(), predictor(x)
    us = {
        "one": _microseconds(lambda: predictor(one), rounds),
        "many": _microseconds(lambda: predictor(x), rounds),
    }
    us["one_in_the_kernel"] = _kernel(predictor, one, rounds)
    us["gradients_many"] = _microseconds(lambda: predictor.gradients(x), rounds)
    line = f"{w.name:4} one row {us['one']:.2f} us, {us['one_in_the_kernel']:.2f} in the kernel"
    line += f"; {MANY} rows {us['many']:.0f} us"
    line += f", gradients {us['gradients_many'] / us['many']:.1f}x that"
    if onnx := peer("onnx"):
        session = onnx.session(w)
        distance = np.abs(session.run(None, {"x": x})[0] - expected).max()
        assert distance < 1e-9, distance
        us["onnx_one"] = _microseconds(lambda: session.run(None, {"x": one}), rounds)
        us["onnx_many"] = _microseconds(lambda: session.run(None, {"x": x}), rounds)
        line += f"   ONNX Runtime {us['onnx_one'] / us['one']:.1f}x, {us['onnx_many'] / us['many']:.1f}x"
    print(line, flush=True)
    return us


def check(w: Workload) -> float:
    """The greatest distance of scores and gradients from NumPy's, relative to the largest of them."""
    x = np.random.default_rng(1).standard_normal((500, w.sizes[0]))
    mine, judge = (
        each(w.plan.layers, w.parameters).gradients(x) for each in (CompiledPredictor, ArrayPredictor)
    )
    pairs = ((mine.scores, judge.scores), (mine.slopes, judge.slopes))
    return float(max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs))


def _kernel(predictor: CompiledPredictor, one: Any, rounds: int) -> float:
    """One row again and again within one call."""
    call = predictor.single_row_call(np.repeat(one, 1_000, axis=0))
    return _microseconds(call, rounds) / 1_000
