"""Rows without slopes, left out of the way back: which they are, how others move, that nobody can tell."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.autograd.expression import parse_loss
from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.layout import Panels
from engine.compiler.kernels.selection import LEAST, Movement, Selection, movement, selection
from engine.execution.array_predictor import ArrayPredictor
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.compiled.memory import aligned_zeros, shape_of
from engine.execution.eager import EagerExecutor
from engine.execution.plan import Plan, State
from engine.nn.losses import Loss
from tests.engine.compiler.machine import DTYPES
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.compiled.test_executor import assert_same, fingerprint

ROWS = Rows(48, 10, 37, 32)


def select(slopes: NDArray[Any], real: Real) -> tuple[list[int], NDArray[Any]]:
    """The positions of the rows that count, and their slopes as they stand afterwards."""
    outputs, count = slopes.shape
    module = Module(real)
    kernel = selection(module, Selection(outputs, ROWS))

    def body(code: Vectors) -> None:
        code.call(kernel, "%count", pointers=["%z", "%active"])

    module.entry("run", ["%z*", "%active*", "%count"], body)
    z, active = (
        aligned_zeros(outputs * ROWS.capacity, DTYPES[real.bits]),
        np.zeros(ROWS.capacity + 1, np.int64),
    )
    z.reshape(outputs, -1)[:, :count] = slopes
    compile_text(module.text, ("run",)).function("run", 3)(z.ctypes.data, active.ctypes.data, count)
    return active[: active[ROWS.capacity]].tolist(), z.reshape(outputs, -1)


@pytest.mark.parametrize("real", [DOUBLE, FLOAT], ids=["float64", "float32"])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.3, 0.8])
def test_active_rows_move_up_in_their_order_with_zeros_behind(real: Real, outputs: int, share: float) -> None:
    generator = np.random.default_rng(3)
    slopes = generator.normal(size=(outputs, 37)).astype(DTYPES[real.bits])
    slopes[:, generator.uniform(size=37) >= share] = [[0.0], [-0.0], [0.0]][:outputs]
    slopes[:-1] *= generator.integers(0, 2, slopes[:-1].shape)  # one output's slope is enough
    wanted = np.flatnonzero(slopes.any(axis=0))
    active, left = select(slopes, real)
    assert active == wanted.tolist()
    assert np.array_equal(left[:, : len(active)], slopes[:, wanted])
    assert not left[:, len(active) :].any()


def test_a_slope_that_is_no_number_is_active() -> None:
    slopes = np.zeros((1, 37))
    slopes[0, [4, 9]] = np.nan, 1e-300
    assert select(slopes, DOUBLE)[0] == [4, 9]


@pytest.mark.parametrize(("still", "moves"), [(4, False), (5, True)])
def test_nothing_moves_where_less_than_an_eighth_rests(still: int, moves: bool) -> None:
    slopes = np.ones((1, 37))
    slopes[0, 10 : 10 + still] = 0.0
    active, left = select(slopes, DOUBLE)
    assert len(active) == (37 - still if moves else 37)
    assert np.array_equal(left[0, :37], np.sort(slopes[0])[::-1] if moves else slopes[0])


@pytest.mark.parametrize("features", [5, 16, 40])
@pytest.mark.parametrize("in_place", [True, False])
def test_panels_move_with_their_rows(features: int, in_place: bool) -> None:
    panels, module = Panels(features, 8), Module(DOUBLE)
    kernel = movement(module, Movement(panels, ROWS, in_place))
    pointers = ["%a", "%active", *([] if in_place else ["%to"])]

    def body(code: Vectors) -> None:
        code.call(kernel, "%count", pointers=pointers)

    module.entry("run", ["%a*", "%active*", "%to*", "%count"], body)
    values, other = (aligned_zeros(ROWS.capacity * panels.padded, np.dtype(np.float64)) for _ in range(2))
    values[:] = before = np.random.default_rng(0).normal(size=values.size)
    active = np.array([1, 2, 7, 30], np.int64)
    run = compile_text(module.text, ("run",)).function("run", 4)
    run(values.ctypes.data, active.ctypes.data, other.ctypes.data, 4)
    found, was = (x.reshape(panels.count, ROWS.capacity, -1) for x in (values if in_place else other, before))
    assert np.array_equal(found[:, :4], was[:, active])
    assert np.array_equal(found[:, 4:], was[:, 4:] if in_place else np.zeros_like(was[:, 4:]))


EXPRESSION = Loss("expression", parse_loss("max(0.2 - y * s, 0.0) ** 2"), "value")


def resting(loss: str, sizes: list[int], **given: Any) -> tuple[Plan, State]:
    """A training whose scores are so great from the first that many rows are beyond the margin."""
    name, choice = (
        "mse" if loss == "expression" else loss,
        given.pop("choice", optimizer("sgd", learning_rate=0.005)),
    )
    plan, state = make_plan(sizes, loss=name, rows=45, epochs=12, choice=choice, **given)
    plan = replace(plan, loss=EXPRESSION) if loss == "expression" else plan
    return plan, State.initial(plan, 4.0 * state.parameters)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "expression"])
@pytest.mark.parametrize("batch", [None, LEAST, 23])
def test_rows_do_come_to_rest_and_are_looked_for(loss: str, batch: int | None) -> None:
    """Otherwise the tests below would say nothing."""
    plan, state = resting(loss, [3, 9, 17, 1], batch=batch)
    assert shape_of(plan).selects
    executor = CompiledExecutor(plan, state)
    executor.run(plan.epochs - 1)
    scores = ArrayPredictor(plan.layers, executor.state.parameters)(plan.train.x)
    margins = (0.2 if loss == "expression" else 1.0) - plan.train.targets * scores
    assert 0.0 < np.mean(margins > 0.0) < 0.85


@pytest.mark.parametrize(
    ("loss", "sizes", "batch"),
    [
        ("mse", [3, 4, 1], 20),
        ("cross_entropy", [3, 4, 2], 20),
        ("hinge", [3, 4, 1], LEAST - 1),
        ("hinge", [3, 1], 20),
        ("hinge", [3, 4, 5], 20),
    ],
)
def test_nobody_looks_where_none_rests_or_little_is_spared(loss: str, sizes: list[int], batch: int) -> None:
    assert not shape_of(make_plan(sizes, loss=loss, batch=batch)[0]).selects


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "linear"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "expression"])
@pytest.mark.parametrize("batch", [None, LEAST, 23])
def test_a_training_goes_where_the_eager_one_goes(activation: str, loss: str, batch: int | None) -> None:
    plan, state = resting(loss, [3, 9, 17, 1], activation=activation, batch=batch, validation=20)
    assert_same(plan, state, 1e-10, EagerExecutor)


@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize(
    "more",
    [{"dropout": 0.3}, {"weighted": True}, {"choice": optimizer("adam", clip_norm=0.5)}],
    ids=["dropout", "weights", "clipping"],
)
def test_with_several_outputs_dropout_weights_and_clipping_too(outputs: int, more: dict[str, Any]) -> None:
    plan, state = resting("hinge", [3, 9, outputs], activation="gelu", batch=20, **more)
    assert_same(plan, state, 1e-10, EagerExecutor)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("sizes", [[2, 16, 16, 1], [5, 40, 3]])
@pytest.mark.parametrize("batch", [None, LEAST])
def test_its_bits_know_no_chunks_and_no_widths(precision: str, sizes: list[int], batch: int | None) -> None:
    plan, state = resting("hinge", sizes, activation="relu", batch=batch, precision=precision)
    whole = fingerprint(plan, state, [12])
    assert fingerprint(plan, state, [1, 4, 7]) == whole
    assert fingerprint(plan, state, [12], Target.avx2()) == whole


@pytest.mark.parametrize("target", [None, Target.avx2()], ids=["this CPU", "AVX2"])
@pytest.mark.parametrize("width", [5, 256])
def test_a_batch_that_rests_as_a_whole_moves_nothing(target: Target | None, width: int) -> None:
    plan, state = make_plan([3, 9, width, 1], loss="hinge", rows=20, epochs=2)
    state.parameters[-width - 1 :] = [*np.zeros(width), 5.0]  # the last layer: every score is 5
    satisfied = replace(plan, train=replace(plan.train, targets=np.ones((20, 1))))
    executor = CompiledExecutor(satisfied, state, target=target)
    history = executor.run(2)
    assert np.array_equal(executor.state.parameters, state.parameters)
    assert history.rows[:, satisfied.columns.index("train_loss")].tolist() == [0.0, 0.0]
    assert history.rows[:, satisfied.columns.index("grad_norm")].tolist() == [0.0, 0.0]
