"""Whole trainings by the Trainer against outside judges: the same numbers in every epoch of drawn trials."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from engine.data.reading.formats import table_from_rows
from engine.errors import Diverged
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from engine.nn.optimizers import OPTIMIZERS
from engine.nn.schedules import SCHEDULES
from engine.spec import parse_spec
from engine.training.trainer import Trainer
from tests.judging import by_numpy, trials
from tests.judging.trials import Trial, drawn
from tests.judging.verdict import DOUBT, TOLERANCE, History, distance, doubt

Judge = Callable[[Trial], History]


@pytest.fixture(params=["by_numpy", pytest.param("by_torch", marks=pytest.mark.bench)])
def judge(request: pytest.FixtureRequest) -> Judge:
    """NumPy and hand-written derivatives; PyTorch, where the bench extra has brought it."""
    if request.param == "by_torch":
        pytest.importorskip("torch", reason="the judge is PyTorch: pip install gradhouse[bench]")
    history: Judge = import_module(f"tests.judging.{request.param}").history
    return history


def our_rows(trial: Trial, executor: str | None = None) -> list[dict[str, Any]]:
    """The history up to the last finite loss."""
    table = table_from_rows(list(trial.columns), [list(row) for row in trial.rows])
    trainer = Trainer(parse_spec(trial.spec, table.profile()), table, executor=executor)
    found: list[dict[str, Any]] = []
    with contextlib.suppress(Diverged):
        for block in trainer.blocks():
            found += block.rows()
    return found


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_every_epoch_has_the_numbers_that_the_judge_has(judge: Judge, first: int) -> None:
    doubts = 0
    for trial in map(drawn, range(first, first + 50)):
        if distance(judge(trial), our_rows(trial)) > TOLERANCE:
            assert doubt(judge, trial) > DOUBT, trial.spec
            doubts += 1
    assert doubts <= 2, "trials on which the judge does not agree with itself are few"


@pytest.mark.parametrize("executor", ["arrays", "eager"])
def test_the_other_executors_have_them_too(executor: str) -> None:
    for trial in map(drawn, range(12)):
        far = distance(by_numpy.history(trial), our_rows(trial, executor))
        assert far <= TOLERANCE or doubt(by_numpy.history, trial) > DOUBT, trial.spec


def test_a_judge_notices_a_part_in_a_hundred_million() -> None:
    trial = drawn(3)
    rows = our_rows(trial)
    rows[2]["train_loss"] *= 1.0 + 1e-8
    assert distance(by_numpy.history(trial), rows) == pytest.approx(1e-8, rel=0.1)
    assert distance(by_numpy.history(trial), rows[:-1]) == float("inf")


def test_whatever_a_spec_may_name_is_judged() -> None:
    specs = [drawn(seed).spec for seed in range(200)]
    layers = Counter(layer["activation"] for spec in specs for layer in spec["model"]["hidden_layers"])
    assert set(layers) == set(ACTIVATIONS.names()) == {s["model"]["output_activation"] for s in specs}
    expressions = {text for each in trials.EXPRESSIONS.values() for text in each}
    losses = {spec["loss"] if isinstance(spec["loss"], str) else spec["loss"]["expression"] for spec in specs}
    assert losses == {*LOSSES.names(), *expressions}
    assert {spec["optimizer"]["name"] for spec in specs} == set(OPTIMIZERS.names())
    assert {spec["schedule"]["name"] for spec in specs} == set(SCHEDULES.names())
