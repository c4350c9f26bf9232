"""Rows become panels and rows again; the greatest score is chosen as NumPy would."""

import math

import numpy as np
import pytest

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.edges import choosing, copying, entering, leaving
from engine.compiler.kernels.layout import Panels
from engine.execution.compiled.memory import aligned_zeros

ROWS = Rows(24, 8, 20, 32)


@pytest.mark.parametrize("features", [1, 7, 8, 9, 16, 17, 24, 31, 33, 100])
def test_rows_become_panels_and_rows_again(features: int) -> None:
    panels, module = Panels(features, 8), Module(DOUBLE)

    def there_and_back(code: Vectors) -> None:
        code.call(entering(module, panels, ROWS), "%n", pointers=["%x", "%a"])
        code.call(leaving(module, panels, ROWS), "%n", pointers=["%a", "%out"])

    module.entry("run", ["%x*", "%a*", "%out*", "%n"], there_and_back)
    run = compile_text(module.text, ("run",)).function("run", 4)
    x = np.random.default_rng(features).standard_normal((19, features))
    between = aligned_zeros(ROWS.capacity * panels.padded, np.dtype(np.float64))
    out = np.zeros_like(x)
    run(x.ctypes.data, between.ctypes.data, out.ctypes.data, len(x))
    assert np.array_equal(out, x)
    in_panels = between.reshape(panels.count, ROWS.capacity, panels.width)
    assert in_panels[-1, 18, (features - 1) % panels.width] == x[18, -1]
    assert np.count_nonzero(between) == np.count_nonzero(x)


@pytest.mark.parametrize("numbers", [1, 7, 8, 9, 64, 93])
def test_rows_are_copied_as_they_lie_and_nothing_behind_them(numbers: int) -> None:
    module = Module(DOUBLE)
    module.entry(
        "run", ["%x*", "%a*", "%n"], lambda code: code.call(copying(module), "%n", pointers=["%x", "%a"])
    )
    x = np.random.default_rng(0).standard_normal(100)[1:]  # callers' rows need not be aligned
    copy = aligned_zeros(104, np.dtype(np.float64))
    compile_text(module.text, ("run",)).function("run", 3)(x.ctypes.data, copy.ctypes.data, numbers)
    assert np.array_equal(copy[:numbers], x[:numbers])
    assert not copy[numbers:].any()


def test_the_greatest_score_is_chosen_the_first_of_equals_and_nan_before_all() -> None:
    scores = np.array(
        [[1.0, 3.0, 2.0], [2.0, 2.0, 1.0], [-math.inf, -5.0, -math.inf], [0.0, math.nan, math.inf]]
    )
    module = Module(DOUBLE)
    module.entry(
        "run",
        ["%out*", "%chosen*", "%n"],
        lambda code: code.call(choosing(module, 3), "%n", pointers=["%out", "%chosen"]),
    )
    chosen = np.full(4, -1)
    run = compile_text(module.text, ("run",)).function("run", 3)
    run(scores.ctypes.data, chosen.ctypes.data, len(scores))
    assert chosen.tolist() == scores.argmax(axis=1).tolist() == [1, 0, 1, 1]
