"""The eager executor against formulas written out by hand."""

import numpy as np
import pytest

from engine.execution.eager import EagerExecutor, EagerNetwork
from engine.execution.plan import LayerPlan, State, unflatten
from engine.training.preparation import prepare
from tests.engine.trainings import SEED_DOCUMENT, SEED_TABLE, mixed_table, spec_for


def test_a_network_holds_the_flat_parameters_in_their_places() -> None:
    plans = (LayerPlan(2, 3, "tanh"), LayerPlan(3, 1, "linear"))
    flat = np.arange(13.0) / 10.0
    network = EagerNetwork(plans, flat)
    assert [value.data for value in network.flat] == flat.tolist()
    (w1, b1), (w2, b2) = unflatten(plans, flat)
    x = np.array([0.3, -0.2])
    (score,) = network.scores(x.tolist())
    assert score.data == pytest.approx(float((w2 @ np.tanh(w1 @ x + b1) + b2)[0]), rel=1e-14)


def test_a_mask_multiplies_a_layers_outputs() -> None:
    network = EagerNetwork((LayerPlan(1, 2, "linear"), LayerPlan(2, 1, "linear")), np.ones(7))
    (score,) = network.scores([3.0], [[0.0, 2.0], None])
    assert score.data == (3.0 + 1.0) * 2.0 + 1.0


def test_a_linear_regression_descends_by_its_closed_gradient() -> None:
    table = mixed_table("regression")
    document = {
        "model": {"hidden_layers": []},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "split": {"validation": 0},
        "training": {"epochs": 3, "batch_size": None},
    }
    prepared = prepare(spec_for(table, **document), table)
    executor = EagerExecutor(prepared.plan, State.initial(prepared.plan, prepared.initial_parameters))
    made = executor.run(3).rows
    x = np.column_stack([prepared.plan.train.x, np.ones(len(prepared.plan.train))])
    y, w = prepared.plan.train.labels, prepared.initial_parameters
    for k in range(3):
        error = x @ w - y
        gradient = 2.0 * x.T @ error / len(y)
        row = dict(zip(prepared.plan.columns, made[k], strict=True))
        assert row["train_loss"] == pytest.approx(np.mean(error**2), rel=1e-12)
        assert row["grad_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
        assert row["learning_rate"] == 0.1
        w = w - 0.1 * gradient
    assert executor.state.parameters == pytest.approx(w, rel=1e-12)


def test_clipping_shortens_the_gradient_and_reports_its_own_length() -> None:
    spec = spec_for(SEED_TABLE, **(SEED_DOCUMENT | {"optimizer": {"name": "sgd", "clip_norm": 0.01}}))
    prepared = prepare(spec, SEED_TABLE)
    executor = EagerExecutor(prepared.plan, State.initial(prepared.plan, prepared.initial_parameters))
    norm = executor.run(1).rows[0, -1]
    moved = executor.state.parameters - prepared.initial_parameters
    assert norm > 0.01
    # torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm it divides by
    assert np.linalg.norm(moved) == pytest.approx(0.1 * 0.01 * norm / (norm + 1e-6), rel=1e-9)


def test_running_in_pieces_changes_nothing() -> None:
    prepared = prepare(spec_for(SEED_TABLE, **SEED_DOCUMENT), SEED_TABLE)
    state = State.initial(prepared.plan, prepared.initial_parameters)
    whole, pieces = EagerExecutor(prepared.plan, state), EagerExecutor(prepared.plan, state)
    rows = np.vstack([pieces.run(1).rows, pieces.run(2).rows])
    assert whole.run(3).rows.tobytes() == rows.tobytes()
    assert whole.state.parameters.tobytes() == pieces.state.parameters.tobytes()
