"""The promises of the numbers: a step is the scalars' own, and a training has one history, bit for bit.

Bits on narrow vectors are compared on CPUs that have wide ones; elsewhere both programs are narrow.
"""

import json
import os
import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pytest

from engine.compiler.jit import Target
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.compiled.test_executor import fingerprint
from tests.engine.execution.guarded import training_of
from tests.engine.execution.test_arrays import EXPRESSION, OPTIMIZERS, start

NARROW = Target.avx2()
BATCHES = [None, 1, 5, 26]
"""Of 26 rows: all in order, one, some, all of them shuffled."""
LOSSES_OF_TASKS: list[tuple[str, Any]] = [
    (task, loss)
    for task in ("binary", "multiclass", "regression")
    for loss in [*(name for name, loss in LOSSES if task in loss.tasks), EXPRESSION]
]


def one_step_apart(
    task: str, loss: Any, activation: str, optimizer: dict[str, Any], batch: int | None
) -> float:
    """How far a parameter is from the eager one after a step from the same state, of its own size."""
    layer = {"units": 5, "activation": activation}
    document = {
        "loss": loss,
        "optimizer": optimizer | {"learning_rate": 0.002},  # a few steps of which no network runs away
        "model": {"hidden_layers": [layer, layer | {"units": 3}], "init": "glorot_uniform"},
        "training": {"epochs": 4, "batch_size": batch, "seed": 5, "early_stopping": None},
        "split": {"validation": 0},
    }
    prepared, state = start(task, document)
    warm = EagerExecutor(prepared.plan, state)
    warm.run(2)
    before = warm.state
    wanted = EagerExecutor(prepared.plan, before).partway(1).parameters
    made = CompiledExecutor(prepared.plan, before).partway(1).parameters
    size = np.abs(wanted) + np.abs(wanted - before.parameters) + 1e-300
    return float((np.abs(made - wanted) / size).max())


TURNS = [
    (task, loss, activation, OPTIMIZERS[(i + k) % len(OPTIMIZERS)], BATCHES[(i + k) % len(BATCHES)])
    for i, (task, loss) in enumerate(LOSSES_OF_TASKS)
    for k, activation in enumerate(ACTIVATIONS.names())
    if (i + k) % 3 == 0
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: f"{turn[0]}-{str(turn[1])[:14]}-{turn[2]}")
def test_a_step_is_the_eager_one_to_a_part_in_a_million_million(turn: tuple[Any, ...]) -> None:
    """Losses, activations, optimizers and batches take turns; the slow test has each with each."""
    assert one_step_apart(*turn) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(
    "optimizer", OPTIMIZERS, ids=lambda optimizer: "-".join(map(str, optimizer.values()))
)
@pytest.mark.parametrize("activation", ACTIVATIONS.names())
def test_every_step_is_the_eager_one(activation: str, optimizer: dict[str, Any]) -> None:
    for (task, loss), batch in product(LOSSES_OF_TASKS, BATCHES):
        apart = one_step_apart(task, loss, activation, optimizer, batch)
        assert apart < 1e-12, (task, loss, batch)


def has_one_history(seed: int) -> bool:
    """Whether a drawn training has the bits of one run on wide vectors when cut and narrow."""
    plan, state = make_plan(**training_of(seed))
    lost = [
        CompiledExecutor(plan, state, target=target).run(plan.epochs).diverged for target in (None, NARROW)
    ]
    if any(lost):  # what is not a number has no bits to compare, but an epoch in which it appears
        return lost[0] == lost[1]
    whole = fingerprint(plan, state, [plan.epochs])
    return whole == fingerprint(plan, state, [1] * plan.epochs, NARROW)


@pytest.mark.parametrize("seed", range(12))
def test_a_drawn_training_has_the_same_bits_cut_and_on_narrow_vectors(seed: int) -> None:
    assert has_one_history(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(12, 312, 50))
def test_many_more_drawn_trainings_have_the_same_bits(start: int) -> None:
    assert [seed for seed in range(start, start + 50) if not has_one_history(seed)] == []


def test_drawn_trainings_have_the_same_bits_in_a_process_that_compiles_anew() -> None:
    script = "from tests.engine.execution.compiled.test_promises import fingerprints; print(fingerprints())"
    command = [sys.executable, "-c", script]
    environment = os.environ | {"GRADHOUSE_CODE_CACHE": "off", "PYTHONHASHSEED": "7"}
    made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert made.stdout.strip() == fingerprints()


def fingerprints() -> str:
    """The digests of some drawn trainings, as JSON."""
    return json.dumps([fingerprint(*make_plan(**training_of(seed)), [2]) for seed in range(6)])
