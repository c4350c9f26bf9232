"""Snapshots: which epochs, how many, and that they are the training's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.samples import make_sample
from engine.errors import BadModel
from engine.execution.arrays import ArrayExecutor
from engine.execution.plan import State
from engine.spec import parse_spec
from engine.training.records.snapshots import Budget, Snapshots, planned_epochs
from engine.training.trainer import Trainer
from tests.engine.trained import MOONS


def trainer(budget: Budget | None = Budget(), checkpoint: bytes | None = None, **training: Any) -> Trainer:  # noqa: B008 - frozen
    table = make_sample("moons", MOONS)
    document = {"target": "y", "model": {"hidden_layers": [4]}, "training": {"epochs": 300, **training}}
    spec = parse_spec(document, table.profile())
    return Trainer(spec, table, checkpoint, "arrays", budget=budget)


def run(made: Trainer) -> Snapshots:
    for _ in made.blocks():
        pass
    taken = made.snapshots(last=True)
    assert taken is not None
    return taken


@given(st.integers(1, 1_000_000), st.integers(2, 200))
def test_plans_hold_first_and_last_and_keep_their_count(epochs: int, count: int) -> None:
    planned = planned_epochs(epochs, count)
    assert (planned[0], planned[-1]) == (0, epochs)
    assert len(planned) <= max(count, 2)
    assert list(planned) == sorted(set(planned))
    steps = np.diff(planned)
    assert (steps[1:] >= steps[:-1] - 1).all()  # dense at first; rounding may shift one epoch


def test_a_training_leaves_its_first_and_last_state_and_some_between() -> None:
    made = trainer()
    taken = run(made)
    assert taken.epochs[:10] == tuple(range(10))
    assert taken.epochs[-1] == made.epoch
    assert len(taken.epochs) <= 120
    assert taken.numerics == "arrays-3"
    assert taken.digests[-1] == made.result().model.sha256 or made.stopped_by == "early_stopping"


def test_how_it_is_recorded_changes_no_bit() -> None:
    plain, recorded = trainer(budget=None), trainer()
    run(recorded)
    for _ in plain.blocks():
        pass
    assert plain.snapshots() is None
    assert plain.result().model.sha256 == recorded.result().model.sha256


def test_a_state_is_read_only_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def state(executor: ArrayExecutor) -> State:
        read.append(executor.epoch)
        return executor._state

    monkeypatch.setattr(ArrayExecutor, "state", property(state))
    made = trainer(Budget(count=10), early_stopping=None)
    for _ in made.blocks(seconds=0.0):
        assert not made.done or made.epoch == made.epochs
    taken = made.snapshots()
    assert taken is not None
    assert taken.epochs == (0, *read)  # the first is what the training was given


def test_the_budget_bounds_count_and_size() -> None:
    assert len(run(trainer(Budget(count=10))).epochs) <= 10
    small = run(trainer(Budget(size=1), early_stopping=None))
    assert small.epochs == (0, 300)


def test_an_end_that_no_plan_foresaw_is_kept() -> None:
    made = trainer(Budget(count=5), early_stopping=None)
    for block in made.blocks():
        if block.last_epoch >= 100:
            made.stop()
    taken = made.snapshots(last=True)
    assert taken is not None
    assert taken.epochs[-1] == made.epoch
    assert taken.digests[-1] == made.result().model.sha256


def test_what_is_safe_is_forgotten_and_a_resumed_training_goes_on() -> None:
    straight = run(trainer())
    first = trainer()
    blocks = first.blocks(seconds=0.0)
    for _ in range(20):
        next(blocks)
    early = first.snapshots()
    assert early is not None
    first.forget_snapshots()
    assert first.snapshots() is None
    late = run(trainer(checkpoint=first.checkpoint()))
    assert early.epochs + late.epochs == straight.epochs
    assert early.digests + late.digests == straight.digests


def test_bytes_round_trip_and_damage_is_noticed() -> None:
    taken = run(trainer())
    data = taken.to_bytes()
    again = Snapshots.from_bytes(data)
    assert (again.epochs, again.digests) == (taken.epochs, taken.digests)
    assert np.array_equal(again.state(3).moments[0], taken.moments[0][3])
    broken = bytearray(data)
    broken[-1] ^= 0x40
    for bad in (bytes(broken), b"", data[:100]):
        with pytest.raises(BadModel):
            Snapshots.from_bytes(bad)
