"""Shuffles and masks in instructions: those of engine/randomness.py."""

from typing import Any

import numpy as np
import pytest

from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text
from engine.compiler.kernels import draws
from engine.compiler.kernels.layout import rounded_up
from engine.execution.compiled.memory import aligned_zeros
from engine.randomness import permutation, stream_key, uniforms


def signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


@pytest.mark.parametrize("real", [DOUBLE, FLOAT], ids=lambda real: real.name)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 100, 1797])
def test_a_shuffle_is_the_permutation_of_its_key(count: int, real: Real) -> None:
    module = Module(real)
    kernel = draws.shuffle(module)

    def body(code: Vectors) -> None:
        code.call(kernel, "%n", draws.sub_key(code, "%key", 7), pointers=["%order", "%swaps"])

    module.entry("run", ["%order*", "%swaps*", "%n", "%key"], body)
    order, swaps = (np.zeros(rounded_up(count, real.lanes), np.uint32) for _ in range(2))
    run = compile_text(module.text, ("run",)).function("run", 4)
    run(order.ctypes.data, swaps.ctypes.data, count, signed(stream_key(5, 2)))
    assert order[:count].tolist() == permutation(count, stream_key(5, 2, 7))


@pytest.mark.parametrize("real", [DOUBLE, FLOAT], ids=lambda real: real.name)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.95])
def test_a_mask_keeps_what_the_uniform_numbers_keep(real: Real, share: float) -> None:
    def body(code: Vectors) -> None:
        def group(k: Any, _: list[str]) -> list[str]:
            code.store(code.either(draws.kept(code, "%key", k, share), 1.0, 0.0), "%out", k)
            return []

        code.loop(0, "%n", real.lanes, [], group)

    module = Module(real)
    module.entry("run", ["%out*", "%n", "%key"], body)
    key = stream_key(11, 3, 4, 5)
    out = aligned_zeros(960, np.dtype(np.float64 if real is DOUBLE else np.float32))
    compile_text(module.text, ("run",)).function("run", 3)(out.ctypes.data, 960, signed(key))
    assert out.astype(bool).tolist() == (uniforms(key, 960) >= share).tolist()
