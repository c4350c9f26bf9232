"""Small trained models for tests of what can be seen inside them."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from engine.data.reading.formats import table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Table
from engine.models.model import TrainedModel
from engine.spec import parse_spec
from engine.training.trainer import Trainer

MOONS: dict[str, Any] = {"n_samples": 100, "noise": 0.1, "random_state": 1337}


@cache
def mixed_table() -> Table:
    """80 rows with a number, a boolean, a category and holes; a class of three and a number to predict."""
    draw = random.Random(7)
    rows: list[list[Any]] = []
    for _ in range(80):
        size, ripe, colour = draw.gauss(30.0, 8.0), draw.random() < 0.5, draw.choice(["red", "green", "blue"])
        kind = "plum" if size < 26 else ("pear" if ripe or colour == "green" else "fig")
        weight = 2.0 * size + 10.0 * ripe + 3.0 * (colour == "red")
        rows.append([None if draw.random() < 0.1 else size, ripe, colour, kind, weight])
    return table_from_rows(["size", "ripe", "colour", "kind", "weight"], rows)


def trained(table: Table, epochs: int = 5, **spec: Any) -> TrainedModel:
    """A model after a few epochs: its numbers matter, its skill does not."""
    document = {"split": {"validation": 0}, "training": {"epochs": epochs}, **spec}
    trainer = Trainer(parse_spec(document, table.profile()), table)
    for _ in trainer.blocks():
        pass
    return trainer.result().model


@cache
def moons_model(activation: str = "tanh", units: int = 8) -> TrainedModel:
    """Two inputs, scaled, two hidden layers, one score."""
    layers = [{"units": units, "activation": activation}, {"units": units, "activation": activation}]
    return trained(make_sample("moons", MOONS), target="y", model={"hidden_layers": layers})


@cache
def fruit_model() -> TrainedModel:
    """A number, a boolean and a category in, three classes out."""
    features = ["size", "ripe", "colour"]
    return trained(mixed_table(), target="kind", features=features, model={"hidden_layers": [6]})


@cache
def weight_model() -> TrainedModel:
    """A regression with a scaled target."""
    features = ["size", "ripe", "colour"]
    return trained(mixed_table(), target="weight", features=features, model={"hidden_layers": [6, 5]})
