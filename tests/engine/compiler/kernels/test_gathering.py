"""Batches brought together: rows in their order, panel by panel, with targets and weights."""

import numpy as np
import pytest

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.gathering import Gathering, gathering
from engine.compiler.kernels.layout import Panels
from engine.execution.compiled.memory import aligned_zeros

NUMBERS = np.dtype(np.float64)


@pytest.mark.parametrize("features", [3, 8, 16, 40])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_come_in_the_order_with_what_belongs_to_them(features: int, weighted: bool) -> None:
    panels, rows = Panels(features, 8), Rows(24, 8, 16, 32)
    module = Module(DOUBLE)
    kernel = gathering(module, Gathering(panels, rows, weighted))
    pointers = ["%x", "%y", "%r", "%order", "%a", "%ty", "%tr"]

    def body(code: Vectors) -> None:
        code.call(kernel, "%count", pointers=pointers)

    module.entry("run", [*(f"{name}*" for name in pointers), "%count"], body)
    data = aligned_zeros(30 * panels.padded, NUMBERS).reshape(30, -1)
    data[:, :features] = np.random.default_rng(0).normal(size=(30, features))
    targets, weights = np.arange(30.0), np.arange(30.0) + 100.0
    order = np.random.default_rng(1).permutation(30).astype(np.uint32)
    gathered = aligned_zeros(rows.capacity * panels.padded, NUMBERS)
    own_targets, own_weights = (aligned_zeros(rows.capacity, NUMBERS) for _ in range(2))
    arrays = (data, targets, weights, order, gathered, own_targets, own_weights)
    compile_text(module.text, ("run",)).function("run", 8)(*(a.ctypes.data for a in arrays), 11)
    found = gathered.reshape(panels.count, rows.capacity, panels.width).transpose(1, 0, 2)
    assert np.array_equal(found.reshape(rows.capacity, -1)[:11], data[order[:11]])
    assert not found[:, 11:].any()
    assert np.array_equal(own_targets[:11], targets[order[:11]])
    assert np.array_equal(own_weights[:11], weights[order[:11]] if weighted else np.zeros(11))
