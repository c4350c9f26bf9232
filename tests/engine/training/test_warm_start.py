"""Trainings that go on from a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.data.table import Table
from engine.errors import BadData
from engine.spec import TrainingSpec
from engine.training.trainer import Trainer
from engine.training.warm_start import start_problems
from tests.engine.trainings import mixed_table, run, spec_for

TABLE = mixed_table("binary", 60)
SMALL: dict[str, Any] = {"model": {"hidden_layers": [5]}, "split": {"validation": 0}}
SGD = {"optimizer": {"name": "sgd", "learning_rate": 0.1}}


def spec(**document: Any) -> TrainingSpec:
    return spec_for(TABLE, **{**SMALL, **SGD, "training": {"epochs": 6, "batch_size": None}, **document})


def from_model(**document: Any) -> TrainingSpec:
    return replace(spec(**document), init_from="mdl_1")


def trained(epochs: int) -> Trainer:
    trainer = Trainer(spec(training={"epochs": epochs, "batch_size": None}), TABLE)
    run(trainer)
    return trainer


def test_three_epochs_and_three_from_their_model_are_six() -> None:
    first = trained(3).result().model
    later = Trainer(from_model(training={"epochs": 3, "batch_size": None}), TABLE, start=first)
    run(later)
    whole = trained(6).result().model
    assert np.array_equal(later.result().model.parameters, whole.parameters)


def test_the_models_own_preprocessing_stays() -> None:
    model = trained(2).result().model
    other = TABLE.take(np.arange(10, 40))
    trainer = Trainer(from_model(), other, start=model)
    run(trainer)
    assert trainer.result().model.encoding == model.encoding
    resumed = Trainer(from_model(), other, checkpoint=trainer.checkpoint(), start=model)
    assert resumed.done


def test_without_its_model_a_training_does_not_begin() -> None:
    with pytest.raises(BadData, match="the model mdl_1 that the training goes on from is not there"):
        Trainer(from_model(), TABLE)


def test_a_table_that_the_model_cannot_read_is_refused() -> None:
    model = trained(1).result().model
    without = Table(tuple(each for each in TABLE.columns if each.name != "c"), TABLE.row_count)
    with pytest.raises(BadData, match='no column "c"'):
        Trainer(from_model(features=["a", "b", "flag"]), without, start=model)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"features": ["a", "c"]}, "/features"),
        ({"model": {"hidden_layers": [6]}}, "/model/hidden_layers"),
        ({"model": {"hidden_layers": [{"units": 5, "activation": "sigmoid"}]}}, "/model/hidden_layers"),
        ({"model": {"hidden_layers": [5], "output_activation": "tanh"}}, "/model/output_activation"),
        ({"target": "flag", "features": ["a", "b", "c"]}, "/target"),
    ],
)
def test_what_does_not_fit_the_model_is_named(document: dict[str, Any], pointer: str) -> None:
    model = trained(1).result().model
    assert start_problems(from_model(), model) == []
    assert pointer in [problem.pointer for problem in start_problems(from_model(**document), model)]
