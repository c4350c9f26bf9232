"""The defaults learn: a target alone makes a good model of every sample."""

from statistics import median

import pytest

from engine.data.samples import make_sample
from engine.spec import parse_spec
from engine.training.trainer import Trainer

LEAST = {
    "iris": 0.93,
    "wine": 0.93,
    "breast_cancer": 0.93,
    "digits": 0.93,
    "moons": 0.93,
    "circles": 0.93,
    "diabetes": 0.35,
}


@pytest.mark.parametrize("name", LEAST)
def test_a_target_alone_makes_a_good_model(name: str) -> None:
    table, reached = make_sample(name, {}), []
    for seed in range(5):
        document = {"target": table.names[-1], "training": {"seed": seed}}
        trainer = Trainer(parse_spec(document, table.profile()), table)
        assert sum(len(block) for block in trainer.blocks()) == trainer.epoch
        validation = trainer.result().metrics["validation"]
        assert validation is not None
        reached.append(validation["r2" if name == "diabetes" else "accuracy"] or 0.0)
    assert median(reached) >= LEAST[name]
