"""Runs small pieces of vector code on arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.compiler.assembly.floating import flush_denormals
from engine.compiler.assembly.ir import DOUBLE, Real
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text, host
from engine.execution.compiled.memory import aligned_zeros

Array = NDArray[Any]
DTYPES: dict[int, np.dtype[Any]] = {64: np.dtype(np.float64), 32: np.dtype(np.float32)}


def target_with(registers: int, monkeypatch: pytest.MonkeyPatch) -> Target:
    """This machine as if it had so many registers; marked, so that two numbers are two targets, two codes."""
    monkeypatch.setattr(Target, "registers", property(lambda _: registers))
    return Target(host().cpu, f"{host().features},{'+sse' if registers < 32 else '+sse2'}")


def on_vectors(
    emit: Callable[..., Sequence[str]],
    *arrays: Array,
    real: Real = DOUBLE,
    target: Target | None = None,
) -> list[Array]:
    """The vectors that `emit(code, *registers)` gives, for arrays of any length, vector by vector."""
    count = -(-len(arrays[0]) // real.lanes) * real.lanes
    dtype, results = DTYPES[real.bits], 0

    def body(code: Vectors) -> None:
        restore = flush_denormals(code)

        def one(k: Any, _: list[str]) -> list[str]:
            nonlocal results
            loaded = [code.load("%in", code.add(k, i * count)) for i in range(len(arrays))]
            made = emit(code, *loaded)
            results = len(made)
            for i, vector in enumerate(made):
                code.store(vector, "%out", code.add(k, i * count))
            return []

        code.loop(0, "%n", real.lanes, [], one)
        restore()

    module = Module(real)
    module.entry("run", ["%in*", "%out*", "%n"], body)
    code = compile_text(module.text, ("run",), target)
    given = aligned_zeros(max(len(arrays), 1) * count, dtype)
    for i, array in enumerate(arrays):
        given[i * count : i * count + len(array)] = array
    taken = aligned_zeros(results * count, dtype)
    code.function("run", 3)(given.ctypes.data, taken.ctypes.data, count)
    return [taken[i * count : i * count + len(arrays[0])].copy() for i in range(results)]


def units_in_the_last_place(got: Array, exact: Array) -> Array:
    """The error in units of the last place of `got`'s type; `exact` in longer arithmetic."""
    spacing = np.spacing(np.abs(exact.astype(got.dtype)))
    with np.errstate(invalid="ignore"):
        error: Array = np.abs((got - exact) / spacing).astype(np.float64)
    return error
