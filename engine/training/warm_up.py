"""What a process pays once, paid before somebody waits: the compiler is loaded, a first program is run."""

from __future__ import annotations

import numpy as np

from engine.data.table import Column, Table
from engine.spec import parse_spec
from engine.training.trainer import Trainer

_ROWS = 4
_SPEC = {
    "target": "y",
    "model": {"hidden_layers": []},
    "split": {"validation": 0},
    "training": {"epochs": 1, "batch_size": None},
}


def warm_up() -> None:
    """Trains the smallest network for an epoch, by the executor that jobs will get."""
    column = np.arange(_ROWS, dtype=np.float64)
    table = Table((Column("x", "number", column), Column("y", "number", column * 0.5)), _ROWS)
    trainer = Trainer(parse_spec(_SPEC, table.profile()), table)
    for _ in trainer.blocks():
        pass
    trainer.result().model.to_bytes()
