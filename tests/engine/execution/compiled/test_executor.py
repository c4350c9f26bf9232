"""The compiled executor against the eager one and NumPy, and against itself: bit for bit."""

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import engine.execution.compiled.executor as executor_module
import engine.execution.compiled.memory as memory_module
from engine.compiler.jit import Target
from engine.execution.arrays import ArrayExecutor
from engine.execution.choice import EXECUTORS, make_executor
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.execution.plan import Plan, Progress, State
from engine.nn.activations import ACTIVATIONS
from engine.nn.schedules import SCHEDULES
from engine.spec.families import SCHEDULE
from engine.spec.objects import Choice
from engine.spec.sections import EarlyStopping
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.kinks import ROUNDING, WatchfulExecutor
from tests.engine.execution.test_arrays import CASES, agree, start


def assert_same(plan: Plan, state: State, tolerance: float, judge: Any = ArrayExecutor) -> State:
    expected, made = judge(plan, state), CompiledExecutor(plan, state)
    wanted, got = expected.run(plan.epochs), made.run(plan.epochs)
    assert got.diverged == wanted.diverged
    agree(plan, wanted, got, tolerance)
    scale = np.abs(expected.state.parameters).max()
    np.testing.assert_allclose(
        made.state.parameters, expected.state.parameters, rtol=0, atol=tolerance * scale
    )
    for a, b in zip(made.state.moments, expected.state.moments, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (np.abs(b).max() + 1e-12))
    assert (made.state.best and made.state.best.epoch) == (expected.state.best and expected.state.best.epoch)
    return made.state


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CASES)
def test_histories_and_parameters_are_the_eager_ones(case: tuple[str, dict[str, Any]]) -> None:
    prepared, state = start(*case)
    eager, compiled = EagerExecutor(prepared.plan, state), CompiledExecutor(prepared.plan, state)
    expected, made = eager.run(4), compiled.run(4)
    assert made.diverged == expected.diverged
    agree(prepared.plan, expected, made, 1e-9)
    assert compiled.state.parameters == pytest.approx(eager.state.parameters, rel=1e-9, abs=1e-9)
    assert compiled.state.epoch == eager.state.epoch


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(CASES)
def test_many_more_histories_are_the_eager_ones(case: tuple[str, dict[str, Any]]) -> None:
    prepared, state = start(*case)
    eager, compiled = WatchfulExecutor(prepared.plan, state), CompiledExecutor(prepared.plan, state)
    for _ in range(4):
        expected, made = eager.run(1), compiled.run(1)
        try:
            agree(prepared.plan, expected, made, 1e-9)
        except AssertionError:
            if eager.nearest > ROUNDING:
                raise
            return  # on a kink the last bit chose the way, and nobody's is the right one


def test_on_a_kink_the_eager_executor_too_goes_where_the_last_bit_says() -> None:
    """A bias that walks in equal steps comes back to its target, give or take a rounding."""
    model = {
        "hidden_layers": [{"units": 1, "activation": "tanh"}, {"units": 1, "activation": "relu"}],
        "init": "glorot_uniform",
    }
    sgd = {"name": "sgd", "learning_rate": 0.05}
    schedule, training = {"name": "constant", "warmup_epochs": 2}, {"epochs": 4, "batch_size": 1, "seed": 0}
    prepared, state = start(
        "multiclass",
        {"loss": "mae", "model": model, "optimizer": sgd, "schedule": schedule,
         "split": {"validation": 0}, "training": training | {"early_stopping": None}},
    )  # fmt: skip
    eager = WatchfulExecutor(prepared.plan, state)
    eager.run(1)
    assert eager.nearest == 0.0
    moved = state.parameters.copy()
    moved[-1] += 1e-17
    with pytest.raises(AssertionError):
        agree(
            prepared.plan,
            EagerExecutor(prepared.plan, state).run(4),
            EagerExecutor(prepared.plan, replace(state, parameters=moved)).run(4),
            1e-3,
        )


SHAPES: list[dict[str, Any]] = [
    {"sizes": [1, 1]},
    {"sizes": [5, 1], "task": "regression", "choice": optimizer("sgd", momentum=0.9, nesterov=True)},
    {"sizes": [2, 16, 16, 1], "loss": "hinge", "activation": "relu"},
    {"sizes": [30, 32, 16, 1], "loss": "binary_cross_entropy", "batch": 32, "choice": optimizer("adam")},
    {
        "sizes": [20, 37, 21, 1],
        "activation": "gelu",
        "batch": 7,
        "choice": optimizer("adamw"),
        "validation": 13,
    },
    {
        "sizes": [9, 17, 100],
        "loss": "cross_entropy",
        "batch": 1,
        "choice": optimizer("rmsprop", momentum=0.5),
    },
    {
        "sizes": [33, 129, 10],
        "loss": "cross_entropy",
        "batch": 16,
        "choice": optimizer("adam", clip_norm=0.1),
    },
    {"sizes": [3, 40, 23], "output_activation": "tanh", "weighted": True, "validation": 11, "batch": 9},
    {"sizes": [3, 20, 5], "loss": "squared_hinge", "activation": "elu", "dropout": 0.3, "batch": 9},
    {
        "sizes": [3, 20, 9, 2],
        "loss": "cross_entropy",
        "activation": "softplus",
        "dropout": 0.5,
        "validation": 60,
    },
    {"sizes": [8, 8, 8, 8, 8, 8, 1], "loss": "huber", "activation": "silu", "choice": optimizer("adagrad")},
    {
        "sizes": [4, 50, 1],
        "loss": "mae",
        "activation": "sigmoid",
        "batch": 3,
        "choice": optimizer("adam", eps=0.0),
    },
    {"sizes": [4, 16, 3], "loss": "cross_entropy", "output_activation": "softplus", "batch": 50},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape["sizes"])))
def test_a_network_of_any_shape_trains_as_with_numpy(shape: dict[str, Any]) -> None:
    assert_same(*make_plan(**shape), tolerance=1e-11)


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_every_activation_keeps_its_paddings_out(name: str) -> None:
    plan, state = make_plan([3, 11, 19, 1], activation=name, output_activation=name, batch=5, rows=17)
    assert_same(plan, state, 1e-11, EagerExecutor)


def test_hundreds_of_epochs_stay_with_the_eager_ones() -> None:
    plan, state = make_plan(
        [2, 8, 1], loss="binary_cross_entropy", epochs=300, rows=20, choice=optimizer("adam")
    )
    assert_same(plan, state, 1e-9, EagerExecutor)


def test_single_precision_is_that_of_numpy() -> None:
    for shape in SHAPES[2:5]:
        plan, state = make_plan(**shape, precision="float32")
        trained = assert_same(plan, state, 2e-3)
        assert trained.parameters.dtype == np.float32


# Bits


def fingerprint(plan: Plan, state: State, chunks: list[int], target: Target | None = None) -> str:
    """The digest of history and last state, the run cut in chunks and resumed from its state after each."""
    digest, executor = sha256(), CompiledExecutor(plan, state, target=target)
    for epochs in chunks:
        digest.update(executor.run(epochs).rows.tobytes())
        executor = CompiledExecutor(plan, executor.state, target=target)
    last = executor.state
    for numbers in (last.parameters, *last.moments, *([last.best.parameters] if last.best else [])):
        digest.update(numbers.tobytes())
    return digest.hexdigest()


EXACT = [SHAPES[2], SHAPES[3], SHAPES[4], SHAPES[6], SHAPES[9]]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("shape", EXACT, ids=lambda shape: "-".join(map(str, shape["sizes"])))
def test_however_a_run_is_cut_its_bits_are_the_same(shape: dict[str, Any], precision: str) -> None:
    plan, state = make_plan(**{**shape, "epochs": 6}, precision=precision)
    whole = fingerprint(plan, state, [6])
    assert fingerprint(plan, state, [1] * 6) == whole
    assert all(fingerprint(plan, state, [k, 6 - k]) == whole for k in range(1, 6))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("shape", EXACT, ids=lambda shape: "-".join(map(str, shape["sizes"])))
def test_code_for_narrow_vectors_gives_the_same_bits(shape: dict[str, Any], precision: str) -> None:
    plan, state = make_plan(**shape, precision=precision)
    assert fingerprint(plan, state, [4], Target.avx2()) == fingerprint(plan, state, [4])


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_another_process_gives_the_same_bits(precision: str) -> None:
    script = (
        "from tests.engine.execution.compiled.test_executor import SHAPES, fingerprint, make_plan\n"
        f"print(fingerprint(*make_plan(**SHAPES[4], precision={precision!r}), [4]))"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == fingerprint(*make_plan(**SHAPES[4], precision=precision), [4])


# The plan's rules


@pytest.mark.parametrize("metric", ["val_loss", "train_loss", "val_accuracy", "train_accuracy"])
def test_early_stopping_ends_and_remembers_as_the_eager_one(metric: str) -> None:
    stopping = EarlyStopping(metric=metric, patience=4, min_delta=1e-3)
    plan, state = make_plan(
        [3, 9, 1], loss="binary_cross_entropy", rows=30, validation=12, epochs=60, batch=8,
        choice=optimizer("adam", learning_rate=0.05), stopping=stopping,
    )  # fmt: skip
    eager, compiled = EagerExecutor(plan, state), CompiledExecutor(plan, state)
    assert len(eager.run(60).rows) == len(compiled.run(60).rows) < 60
    assert eager.state.best is not None
    assert compiled.state.best is not None
    assert compiled.state.best.epoch == eager.state.best.epoch
    assert compiled.state.best.value == pytest.approx(eager.state.best.value, rel=1e-10)
    np.testing.assert_allclose(
        compiled.state.best.parameters, eager.state.best.parameters, rtol=1e-9, atol=1e-12
    )
    assert len(compiled.run(5).rows) == 0


@pytest.mark.parametrize("made", EXECUTORS.names())
def test_where_a_training_stands_is_told_as_the_state_says_it(made: str) -> None:
    stopping = EarlyStopping(metric="train_accuracy", patience=3)
    plan, state = make_plan([3, 4, 1], loss="hinge", rows=20, epochs=40, stopping=stopping)
    executor = make_executor(plan, state, made)
    while not plan.is_over(executor.epoch, executor.best_epoch):
        assert (executor.epoch, executor.best_epoch) == (executor.state.epoch, executor.state.best_epoch)
        assert len(executor.run(2).rows)
    assert executor.state.is_over(plan)
    resumed = make_executor(plan, executor.state, made)
    assert (resumed.epoch, resumed.best_epoch) == (executor.epoch, executor.best_epoch)
    assert 0 < executor.best_epoch < executor.epoch < plan.epochs


def test_r2_is_watched_in_a_regression() -> None:
    stopping = EarlyStopping(metric="val_r2", patience=5)
    plan, state = make_plan([3, 9, 1], task="regression", validation=12, epochs=40, stopping=stopping)
    assert_same(plan, state, 1e-9, EagerExecutor)


def test_a_run_that_loses_its_loss_stops_and_keeps_the_best() -> None:
    plan, state = make_plan([3, 8, 1], epochs=50, choice=optimizer(learning_rate=30.0), activation="relu")
    compiled, arrays = CompiledExecutor(plan, state), ArrayExecutor(plan, state)
    got, wanted = compiled.run(50), arrays.run(50)
    assert got.diverged is not None
    assert got.diverged == wanted.diverged
    assert len(got.rows) == got.diverged - 1
    assert compiled.state.best is not None
    assert np.isfinite(compiled.state.best.parameters).all()


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_learning_rates_are_the_plans_to_the_bit(name: str) -> None:
    knobs = {key: knob.default for key, knob in SCHEDULE.members[name].items()} | {"warmup_epochs": 3}
    plan, state = make_plan([2, 1], epochs=25, schedule=Choice(name, knobs))
    executor = CompiledExecutor(plan, state)
    made = np.concatenate([executor.run(n).rows for n in (1, 4, 20)])
    column = plan.columns.index("learning_rate")
    assert made[:, column].tolist() == [plan.learning_rate(epoch) for epoch in range(25)]


# Edges


def test_saturated_and_constant_inputs_do_no_harm() -> None:
    plan, state = make_plan([4, 9, 3], loss="cross_entropy", rows=20)
    plan.train.x[:, 0], plan.train.x[:, 1] = 0.0, 1.0
    plan.train.x[3:6, 2] = 1e4
    assert_same(plan, state, 1e-10)


def test_denormal_gradients_are_flushed_and_the_mode_is_restored() -> None:
    plan, state = make_plan([4, 9, 1], rows=20, choice=optimizer("adam"))
    plan.train.x[:] *= 1e-160
    CompiledExecutor(plan, state).run(4)
    assert np.array([5e-324])[0] * np.array([1.0])[0] == 5e-324


def poisoned(numbers: int, dtype: np.dtype[Any]) -> Any:
    """Zeros between margins of a pattern that no program may change."""
    raw = np.full(numbers * dtype.itemsize + 3 * memory_module.PAGE, 0xA5, np.uint8)
    start = memory_module.PAGE + -raw.ctypes.data % memory_module.PAGE
    view = raw[start : start + numbers * dtype.itemsize]
    view[:] = 0
    MARGINS.append((raw[:start], raw[start + len(view) :]))
    return view.view(dtype)


MARGINS: list[tuple[Any, Any]] = []


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_no_program_writes_outside_its_memory(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    for module in (executor_module, memory_module):
        monkeypatch.setattr(module, "aligned_zeros", poisoned)
    MARGINS.clear()
    for shape in SHAPES:
        plan, state = make_plan(**shape, precision=precision)
        CompiledExecutor(plan, state).run(3)
    assert len(MARGINS) >= 3 * len(SHAPES)
    assert all((margin == 0xA5).all() for pair in MARGINS for margin in pair)


def test_targets_of_several_outputs_must_be_indicators() -> None:
    plan, state = make_plan([3, 4], loss="mse")
    plan.train.targets[0, 0] = 0.25
    with pytest.raises(ValueError, match="indicate"):
        CompiledExecutor(plan, state)


def test_nothing_more_to_do_gives_no_rows() -> None:
    plan, state = make_plan([3, 1], epochs=2)
    executor = CompiledExecutor(plan, state)
    progress: Progress = executor.run(10)
    assert progress.rows.shape == (2, len(plan.columns))
    assert executor.run(1).rows.shape == (0, len(plan.columns))
