"""Plans: batches, dropout masks, rates, and when a training is over."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.execution.plan import Plan, State, unflatten
from engine.training.preparation import prepare
from tests.engine.trainings import mixed_table, spec_for

TABLE = mixed_table("binary")


def plan(**document: Any) -> Plan:
    return prepare(spec_for(TABLE, **({"split": {"validation": 0}} | document)), TABLE).plan


def test_the_full_batch_keeps_the_rows_order() -> None:
    full = plan(training={"batch_size": None})
    assert [batch.tolist() for batch in full.batches(3)] == [list(range(26))]
    assert full.steps_per_epoch == 1


@pytest.mark.parametrize(("size", "steps"), [(1, 26), (5, 6), (13, 2), (26, 1), (1000, 1)])
def test_batches_hold_every_row_once_shuffled_anew_each_epoch(size: int, steps: int) -> None:
    batched = plan(training={"batch_size": size})
    assert batched.steps_per_epoch == steps
    orders = []
    for epoch in range(3):
        batches = [batch.tolist() for batch in batched.batches(epoch)]
        assert len(batches) == steps
        assert {len(batch) for batch in batches[:-1]} <= {size}
        orders.append([row for batch in batches for row in batch])
        assert sorted(orders[-1]) == list(range(26))
    assert orders[0] != orders[1] != orders[2] != sorted(orders[2])
    assert [row for batch in batched.batches(1) for row in batch.tolist()] == orders[1]


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    layers = [{"units": 50, "dropout": 0.3}, 10]
    dropping = plan(model={"hidden_layers": layers})
    mask = dropping.dropout_mask(7, 0, 200)
    assert mask is not None
    assert mask.shape == (200, 50)
    assert set(np.unique(mask)) == {0.0, 1.0 / 0.7}
    assert (mask == 0.0).mean() == pytest.approx(0.3, abs=0.02)
    again, other = dropping.dropout_mask(7, 0, 200), dropping.dropout_mask(8, 0, 200)
    assert (mask == again).all()
    assert (mask != other).any()
    assert dropping.dropout_mask(7, 1, 200) is None
    assert dropping.dropout_mask(7, 2, 200) is None


def test_the_rate_follows_the_schedule() -> None:
    document = {"schedule": {"name": "linear", "end_factor": 0.1}, "training": {"epochs": 21}}
    scheduled = plan(**document, optimizer={"name": "sgd", "learning_rate": 0.5})
    assert scheduled.learning_rate(20) == pytest.approx(0.5 * (1.0 - 0.9 * 20 / 21), rel=1e-15)


def test_the_historys_columns_are_the_contracts() -> None:
    assert plan().columns == ("train_loss", "train_accuracy", "learning_rate", "grad_norm")
    table = mixed_table("regression")
    held_back = prepare(spec_for(table), table).plan
    splits = [f"{split}_{name}" for split in ("train", "val") for name in ("loss", "r2", "mae", "rmse")]
    assert held_back.columns == (*splits, "learning_rate", "grad_norm")


def test_parameters_are_laid_out_layer_by_layer_weights_then_biases() -> None:
    layers = plan(model={"hidden_layers": [3]}).layers
    inputs = layers[0].inputs
    flat = np.arange(float((inputs + 1) * 3 + 4))
    (w1, b1), (w2, b2) = unflatten(layers, flat)
    assert w1.tolist() == flat[: 3 * inputs].reshape(3, inputs).tolist()
    assert b1.tolist() == flat[3 * inputs : 3 * inputs + 3].tolist()
    assert w2.tolist() == [flat[-4:-1].tolist()]
    assert b2.tolist() == [flat[-1]]
    assert np.shares_memory(w1, flat)


def test_a_gain_must_exceed_min_delta_and_patience_counts_from_the_best() -> None:
    stopping = {"metric": "train_loss", "patience": 3, "min_delta": 0.1}
    watched = plan(training={"epochs": 100, "early_stopping": stopping})
    state = State.initial(watched, np.zeros(watched.parameter_count))
    over = []
    for epoch, value in enumerate([1.0, 0.95, 0.89, 0.85, float("nan"), 0.80, 0.5], 1):
        state = replace(state, epoch=epoch).observe(watched, value)
        over.append(state.is_over(watched))
        if over[-1]:
            break
    assert state.best is not None
    assert (state.best.epoch, state.best.value) == (3, 0.89)
    assert over == [False] * 5 + [True]
