"""The NumPy executor against the eager one, over everything that a spec may ask for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.execution.arrays import ArrayExecutor, forward
from engine.execution.eager import EagerExecutor
from engine.execution.plan import LayerPlan, Plan, Progress, State
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from engine.spec.families import OPTIMIZER
from engine.training.preparation import Preparation, prepare
from tests.engine.trainings import mixed_table, spec_for

TABLES = {kind: mixed_table(kind) for kind in ("binary", "multiclass", "regression")}
EXPRESSION = {"expression": "where(y > 0, softplus(-s), s*s/(1 + s*s)) + 0.1*abs(s - y)"}
# Rates at which no path of a few epochs runs away, so that rounding is all that tells executors apart.
OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "sgd", "learning_rate": 0.05},
    {"name": "sgd", "learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.01},
    {"name": "sgd", "learning_rate": 0.02, "momentum": 0.8, "nesterov": True},
    {"name": "adam", "learning_rate": 0.01, "weight_decay": 0.02},
    {"name": "adam", "betas": [0.7, 0.9], "eps": 1e-3},
    {"name": "adamw", "weight_decay": 0.1},
    {"name": "rmsprop", "learning_rate": 0.003, "alpha": 0.9, "eps": 1e-3},
    {"name": "rmsprop", "learning_rate": 0.003, "momentum": 0.5, "eps": 1e-3},
    {"name": "adagrad", "initial_accumulator_value": 0.1},
]
SCHEDULES: list[dict[str, Any]] = [
    {"name": "constant", "warmup_epochs": 2},
    {"name": "linear", "end_factor": 0.2},
    {"name": "cosine"},
    {"name": "exponential", "gamma": 0.8},
    {"name": "step", "every": 2, "gamma": 0.3, "warmup_epochs": 1},
]


def layers() -> st.SearchStrategy[list[dict[str, Any]]]:
    layer = st.fixed_dictionaries(
        {
            "units": st.integers(1, 4),
            "activation": st.sampled_from(ACTIVATIONS.names()),
            "dropout": st.sampled_from([0.0, 0.0, 0.3]),
        }
    )
    return st.lists(layer, max_size=2)


def documents(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    losses = [name for name, loss in LOSSES if kind in loss.tasks]
    weights = [None, "balanced", {"no": 3, "0": 2}] if kind == "binary" else [None, "balanced"]
    return st.fixed_dictionaries(
        {
            "task": st.just(kind),
            "loss": st.sampled_from([*losses, EXPRESSION]),
            "class_weight": st.sampled_from([None] if kind == "regression" else weights[:2]),
            "model": st.fixed_dictionaries(
                {
                    "hidden_layers": layers(),
                    "output_activation": st.sampled_from(["linear", "tanh", "softplus"]),
                    "init": st.sampled_from(["glorot_uniform", "he_normal", "uniform"]),
                }
            ),
            "optimizer": st.tuples(st.sampled_from(OPTIMIZERS), st.sampled_from([None, 0.1, 100.0])).map(
                lambda pair: pair[0] | {"clip_norm": pair[1]}
            ),
            "schedule": st.sampled_from(SCHEDULES),
            "split": st.sampled_from([{"validation": 0}, {"validation": 0.3}]),
            "training": st.fixed_dictionaries(
                {
                    "epochs": st.just(4),
                    "batch_size": st.sampled_from([None, 1, 5, 26, 100]),
                    "seed": st.integers(0, 1000),
                    "early_stopping": st.none(),
                }
            ),
        }
    )


CASES = st.sampled_from(list(TABLES)).flatmap(lambda kind: st.tuples(st.just(kind), documents(kind)))


def start(kind: str, document: dict[str, Any]) -> tuple[Preparation, State]:
    prepared = prepare(spec_for(TABLES[kind], **document), TABLES[kind])
    return prepared, State.initial(prepared.plan, prepared.initial_parameters)


def agree(plan: Plan, one: Progress, other: Progress, tolerance: float) -> None:
    for k, name in enumerate(plan.columns):
        expected = pytest.approx(one.rows[:, k], rel=tolerance, abs=tolerance, nan_ok=True)
        assert other.rows[:, k] == expected, name


@settings(max_examples=80, deadline=None, derandomize=True)
@given(CASES)
def test_histories_and_parameters_are_the_eager_ones(case: tuple[str, dict[str, Any]]) -> None:
    prepared, state = start(*case)
    eager, arrays = EagerExecutor(prepared.plan, state), ArrayExecutor(prepared.plan, state)
    expected, made = eager.run(4), arrays.run(4)
    assert made.diverged == expected.diverged
    agree(prepared.plan, expected, made, 1e-9)
    assert arrays.state.parameters == pytest.approx(eager.state.parameters, rel=1e-9, abs=1e-9)
    assert len(arrays.state.moments) == len(eager.state.moments)
    assert arrays.state.epoch == eager.state.epoch


@settings(max_examples=40, deadline=None, derandomize=True)
@given(CASES)
def test_a_step_from_the_same_state_is_the_same_to_a_few_bits(case: tuple[str, dict[str, Any]]) -> None:
    kind, document = case
    document["training"] |= {"batch_size": None}
    prepared, state = start(kind, document)
    warm = EagerExecutor(prepared.plan, state)
    warm.run(2)
    eager, arrays = EagerExecutor(prepared.plan, warm.state), ArrayExecutor(prepared.plan, warm.state)
    agree(prepared.plan, eager.run(1), arrays.run(1), 1e-12)
    moved = np.abs(eager.state.parameters - warm.state.parameters)
    off = np.abs(eager.state.parameters - arrays.state.parameters)
    assert (off <= 1e-12 * (np.abs(eager.state.parameters) + moved + 1e-3)).all()


def test_class_weights_reach_the_loss_in_both() -> None:
    document = {"class_weight": {"no": 5}, "split": {"validation": 0}, "training": {"epochs": 2}}
    prepared, state = start("binary", document)
    plain, _ = start("binary", document | {"class_weight": None})
    weighted = EagerExecutor(prepared.plan, state).run(2)
    agree(prepared.plan, weighted, ArrayExecutor(prepared.plan, state).run(2), 1e-12)
    assert ArrayExecutor(plain.plan, state).run(2).rows[0, 0] != pytest.approx(weighted.rows[0, 0], rel=1e-3)


def test_forward_is_the_networks_formula_in_chunks() -> None:
    plans = (LayerPlan(3, 5, "tanh"), LayerPlan(5, 2, "linear"))
    generator = np.random.default_rng(3)
    flat, x = generator.normal(size=3 * 5 + 5 + 5 * 2 + 2), generator.normal(size=(9_000, 3))
    w1, b1, w2, b2 = flat[:15].reshape(5, 3), flat[15:20], flat[20:30].reshape(2, 5), flat[30:]
    expected = np.einsum("rh,oh->ro", np.tanh(np.einsum("ri,hi->rh", x, w1) + b1), w2) + b2
    assert forward(plans, flat, x) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert forward(plans, flat, x[:0]).shape == (0, 2)


def test_single_precision_follows_double_closely() -> None:
    double, state = start("binary", {"training": {"epochs": 5, "precision": "float64"}})
    single, _ = start("binary", {"training": {"epochs": 5, "precision": "float32"}})
    executor = ArrayExecutor(single.plan, state)
    agree(double.plan, ArrayExecutor(double.plan, state).run(5), executor.run(5), 1e-4)
    assert executor.state.parameters.dtype == np.float32


def test_every_optimizer_is_in_the_fuzz() -> None:
    assert {optimizer["name"] for optimizer in OPTIMIZERS} == set(OPTIMIZER.members)
