"""Replay: any step again, with the bits of the training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.data.samples import make_sample
from engine.errors import BadData
from engine.execution.eager import EagerNetwork, mean_loss, row_loss
from engine.inside.replay import Replay
from engine.spec import parse_spec
from engine.spec.sections import TrainingSpec
from engine.training.preparation import prepare
from engine.training.records.snapshots import Budget, Snapshots
from engine.training.trainer import Trainer
from tests.engine.trained import MOONS

TABLE = make_sample("moons", MOONS)


def make_spec(**changes: Any) -> TrainingSpec:
    document: dict[str, Any] = {
        "target": "y",
        "model": {"hidden_layers": [{"units": 5, "activation": "tanh"}]},
        "training": {"epochs": 40, "batch_size": None},
    }
    return parse_spec({**document, **changes}, TABLE.profile())


def trained(spec: TrainingSpec, count: int = 6, executor: str = "arrays") -> Snapshots:
    trainer = Trainer(spec, TABLE, None, executor, budget=Budget(count=count))
    for _ in trainer.blocks():
        pass
    taken = trainer.snapshots(last=True)
    assert taken is not None
    return taken


@pytest.mark.parametrize("executor", ["arrays", "compiled"])
def test_steps_between_snapshots_have_the_bits_of_the_training(executor: str) -> None:
    spec = make_spec()
    everything, some = trained(spec, 120, executor), trained(spec, 6, executor)
    replay = Replay(spec, TABLE, None, executor)
    assert len(everything.epochs) == 41
    assert len(some.epochs) <= 6
    for step in (1, 2, 17, 33, 40):
        view = replay.look(some, step)
        assert view.parameters.tobytes() == everything.parameters[step - 1].tobytes()
        moved = everything.parameters[step] - everything.parameters[step - 1]
        assert view.update.tobytes() == moved.tobytes()


def test_the_gradient_is_the_eager_executors() -> None:
    spec = make_spec()
    view = Replay(spec, TABLE, None, "arrays").look(trained(spec), 9)
    plan = prepare(spec, TABLE).plan
    network = EagerNetwork(plan.layers, view.parameters)
    batch = list(range(len(plan.train)))
    scores = [network.scores(plan.train.x[i].tolist()) for i in batch]
    loss = mean_loss(plan.loss, scores, plan.train, batch)
    loss.backward()
    assert view.loss == pytest.approx(loss.data, rel=1e-12)
    assert view.gradient == pytest.approx(
        np.array([value.grad for value in network.flat]), rel=1e-9, abs=1e-14
    )
    own = [row_loss(plan.loss, each, plan.train.targets[i].tolist()).data for i, each in enumerate(scores)]
    assert [row["loss"] for row in view.rows] == pytest.approx(own, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("executor", ["arrays", "compiled", "eager"])
@pytest.mark.parametrize("optimizer", [{"name": "adam"}, {"name": "sgd", "momentum": 0.9, "clip_norm": 0.5}])
def test_steps_inside_an_epoch_lead_to_its_end(executor: str, optimizer: dict[str, Any]) -> None:
    training = {"epochs": 6, "batch_size": 16, "early_stopping": None}
    layers = [{"units": 5, "activation": "tanh", "dropout": 0.2}]
    spec = make_spec(training=training, optimizer=optimizer, model={"hidden_layers": layers})
    taken = trained(spec, 120, executor)
    replay = Replay(spec, TABLE, None, executor)
    steps = replay.steps // 6
    assert steps > 1
    views = [replay.look(taken, 3 * steps + k) for k in range(1, steps + 2)]
    assert views[0].parameters.tobytes() == taken.parameters[3].tobytes()
    assert views[-1].parameters.tobytes() == taken.parameters[4].tobytes()
    for before, after in pairwise(views):
        assert (after.parameters - before.parameters).tobytes() == before.update.tobytes()
    rows = sorted(row["row"] for view in views[:-1] for row in view.rows)
    assert rows == list(range(len(prepare(spec, TABLE).plan.train)))


def test_norms_and_units_are_told_by_layer() -> None:
    layers = [{"units": 6, "activation": "relu"}, {"units": 3, "activation": "tanh"}]
    # Wide first weights: some relu never fires, and tanh is driven to its ends.
    model = {"hidden_layers": layers, "init": {"scheme": "uniform", "low": -60.0, "high": 60.0}}
    spec = make_spec(model=model, training={"epochs": 3, "batch_size": None})
    document = Replay(spec, TABLE, None, "arrays").look(trained(spec), 1).to_document()
    assert [layer["layer"] for layer in document["layers"]] == ["L1", "L2", "L3"]
    assert set(document["layers"][1]["saturated_units"] + document["layers"][1]["dead_units"]) <= {1, 2, 3}
    assert any(layer["dead_units"] or layer["saturated_units"] for layer in document["layers"])
    for layer in document["layers"]:
        assert layer["parameter_norm"] > 0.0
    flat = np.array(document["gradients"])
    norms = sum(layer["gradient_norm"] ** 2 for layer in document["layers"])
    assert norms == pytest.approx(float(flat @ flat), rel=1e-12)


def test_early_stopping_does_not_stop_the_replay() -> None:
    stopping = {"metric": "train_loss", "patience": 2, "min_delta": 10.0}
    spec = make_spec(training={"epochs": 40, "batch_size": None, "early_stopping": stopping})
    taken = trained(spec)
    assert taken.epochs[-1] < 10
    view = Replay(spec, TABLE, None, "arrays").look(taken, taken.epochs[-1])
    assert view.update.any()


def test_without_a_snapshot_before_it_a_step_is_refused() -> None:
    spec = make_spec()
    taken = trained(spec)
    late = Snapshots(
        taken.epochs[2:], taken.parameters[2:], tuple(m[2:] for m in taken.moments), taken.numerics
    )
    with pytest.raises(BadData, match="no snapshot up to epoch 0"):
        Replay(spec, TABLE, None, "arrays").look(late, 1)


def test_other_numerics_are_refused() -> None:
    spec = make_spec()
    with pytest.raises(BadData, match="ran with arrays-3, this machine has eager-3"):
        Replay(spec, TABLE, None, "eager").look(trained(spec), 1)
