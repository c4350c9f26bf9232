"""Slopes on their way back: transposed weights, and single rows without them."""

import numpy as np
import pytest

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text
from engine.compiler.kernels.layout import LayerLayout, Panels
from engine.compiler.kernels.transposition import transposed_size, transposition
from engine.execution.compiled.memory import aligned_zeros
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.compiled.test_executor import assert_same


@pytest.mark.parametrize("inputs", [1, 7, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("outputs", [1, 8, 10, 16, 33])
def test_every_weight_finds_its_transposed_place_and_padding_stays_0(inputs: int, outputs: int) -> None:
    layout = LayerLayout(Panels(inputs, 8), Panels(outputs, 8), is_dot=False, start=0, unit=32)
    module = Module(DOUBLE)
    kernel = transposition(module, layout)

    def body(code: Vectors) -> None:
        code.call(kernel, pointers=["%w", "%t"])

    module.entry("run", ["%w*", "%t*"], body)
    packed, turned = (aligned_zeros(n, np.dtype(np.float64)) for n in (layout.end, transposed_size(layout)))
    weights = np.random.default_rng(0).normal(size=(outputs, inputs))
    packed[layout.positions()] = np.append(weights.ravel(), np.full(outputs, 9.0))
    compile_text(module.text, ("run",)).function("run", 2)(packed.ctypes.data, turned.ctypes.data)
    width = layout.inputs.width
    found = turned.reshape(layout.inputs.count, layout.outputs.padded, width).transpose(1, 0, 2)
    flat = found.reshape(layout.outputs.padded, -1)
    assert np.array_equal(flat[:outputs, :inputs], weights)
    assert not flat[:outputs, inputs:].any()


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 17, 24])
@pytest.mark.parametrize("activation", ["relu", "silu", "linear"])
def test_single_rows_train_alike(width: int, activation: str) -> None:
    plan, state = make_plan([width, width, width + 1, 2], activation=activation, rows=7, batch=1, epochs=2)
    assert_same(plan, state, 1e-11)


def test_single_rows_of_a_wide_network_and_clipped_ones_train_alike() -> None:
    plan, state = make_plan([5, 40, 33, 1], rows=7, batch=1, epochs=2)
    assert_same(plan, state, 1e-11)
    plan, state = make_plan([5, 40, 33, 1], rows=7, batch=1, epochs=2, choice=optimizer("sgd", clip_norm=0.1))
    assert_same(plan, state, 1e-11)


@pytest.mark.parametrize("width", [17, 20, 24, 33, 40])
@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_an_activation_of_0_that_is_not_0_stays_out_of_the_norm(width: int, activation: str) -> None:
    """The last panel's second vector is all padding: its activations must not pass for slopes."""
    for clip_norm in (None, 0.1):
        plan, state = make_plan(
            [5, width, 3],
            activation=activation,
            rows=7,
            batch=1,
            epochs=2,
            choice=optimizer("sgd", clip_norm=clip_norm),
        )
        assert_same(plan, state, 1e-11)
