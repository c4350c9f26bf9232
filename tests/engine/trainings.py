"""Small trainings for the tests: tables, specs, runs to the end."""

from typing import Any

import numpy as np

from engine.data.reading.formats import table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Table
from engine.spec import TrainingSpec, parse_spec
from engine.training.records.history import HistoryBlock
from engine.training.trainer import Trainer

SEED_TABLE = make_sample("moons", {"n_samples": 100, "noise": 0.1, "random_state": 1337, "labels": [-1, 1]})
SEED_DOCUMENT: dict[str, Any] = {
    "target": "y",
    "preprocessing": {"scale": "none"},
    "split": {"validation": 0},
    "model": {
        "hidden_layers": [{"units": 16, "activation": "tanh"}, {"units": 16, "activation": "tanh"}],
        "output_activation": "tanh",
        "init": {"scheme": "uniform", "low": -1, "high": 1},
    },
    "loss": "hinge",
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "schedule": {"name": "linear", "end_factor": 0.1},
    "training": {"epochs": 21, "batch_size": None, "seed": 1337, "early_stopping": None},
}


def mixed_table(kind: str, count: int = 26) -> Table:
    """Numbers with gaps, a category, a boolean; the target `y` binary, multiclass or a regression."""
    generator = np.random.default_rng(12)
    x = generator.normal(size=(count, 2))
    score = x[:, 0] - 0.5 * x[:, 1] + 0.3 * generator.normal(size=count)
    targets: dict[str, list[Any]] = {
        "binary": ["yes" if s > 0 else "no" for s in score],
        "multiclass": [int(k) for k in np.digitize(score, [-0.6, 0.6])],
        "regression": [float(40.0 + 9.0 * s) for s in score],
    }
    rows = [
        [
            float(x[i, 0]),
            None if i % 9 == 4 else float(x[i, 1]),
            "abc"[i % 7 % 3],
            i % 4 == 0,
            targets[kind][i],
        ]
        for i in range(count)
    ]
    return table_from_rows(["a", "b", "c", "flag", "y"], rows)


def spec_for(table: Table, **document: Any) -> TrainingSpec:
    return parse_spec({"target": "y"} | document, table.profile())


def run(trainer: Trainer, seconds: float = 0.15) -> HistoryBlock:
    """The whole history of a training that ends by itself."""
    return HistoryBlock.concatenate(trainer.blocks(seconds))


def same_bits(a: HistoryBlock, b: HistoryBlock) -> bool:
    return (
        a.first_epoch == b.first_epoch
        and list(a.columns) == list(b.columns)
        and all(a.columns[name].tobytes() == b.columns[name].tobytes() for name in a.columns)
    )
