"""The loop over epochs, with the executors that have it."""

import numpy as np
import pytest

from engine.execution.arrays import ArrayExecutor
from engine.execution.eager import EagerExecutor
from engine.execution.epochwise import EpochwiseExecutor
from engine.execution.plan import State
from engine.training.preparation import prepare
from tests.engine.trainings import mixed_table, spec_for

TABLE = mixed_table("regression")
Kind = type[ArrayExecutor] | type[EagerExecutor]


def _executor(kind: Kind, learning_rate: float) -> EpochwiseExecutor:
    document = {
        "model": {"hidden_layers": []},
        "optimizer": {"name": "sgd", "learning_rate": learning_rate},
        "training": {"epochs": 50, "batch_size": 8},
    }
    prepared = prepare(spec_for(TABLE, **document), TABLE)
    return kind(prepared.plan, State.initial(prepared.plan, prepared.initial_parameters))


@pytest.fixture(params=[ArrayExecutor, EagerExecutor])
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def test_every_step_of_an_epoch_partway_is_the_epoch(kind: Kind) -> None:
    whole, stepped = _executor(kind, 0.01), _executor(kind, 0.01)
    assert len(whole.run(2).rows) == 2
    stepped.run(1)
    state = stepped.partway(stepped._plan.steps_per_epoch)
    assert np.array_equal(state.parameters, whole.state.parameters)
    assert (state.epoch, whole.epoch) == (1, 2)  # who looks partway has no epoch more


def test_an_epoch_that_diverges_is_told_and_leaves_the_rows_before_it(
    kind: Kind,
) -> None:
    progress = _executor(kind, 1000.0).run(50)
    assert progress.diverged is not None
    assert len(progress.rows) == progress.diverged - 1
    assert np.isfinite(progress.rows).all()
