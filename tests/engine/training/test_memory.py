"""Memory: what is told beforehand bounds what a training takes; what would be too much takes nothing."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.table import Column, Table
from engine.execution import choice
from engine.execution.choice import allocated_bytes
from engine.spec import Limits, TrainingSpec, parse_spec
from engine.training.memory import FIXED_BYTES, hollow_plan, memory_problems, training_bytes
from engine.training.preparation import prepare
from engine.training.trainer import Trainer

TRAININGS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "many rows": (400_000, 10, {"model": {"hidden_layers": [16]}, "training": {"batch_size": 256}}),
    "a large network": (500, 50, {"model": {"hidden_layers": [1500, 1500]}, "training": {"batch_size": 64}}),
    "single precision": (
        500,
        50,
        {"model": {"hidden_layers": [1500, 1500]}, "training": {"batch_size": 64, "precision": "float32"}},
    ),
    "a second dataset": (
        50_000,
        20,
        {"model": {"hidden_layers": [16]}, "split": {"dataset_id": "ds_other"}, "task": "regression"},
    ),
    "a full batch": (10_000, 50, {"model": {"hidden_layers": [512]}, "training": {"batch_size": None}}),
}


OTHER_ROWS = 300_000


def table_of(rows: int, features: int) -> Table:
    generator = np.random.default_rng(1)
    names = [f"x{i}" for i in range(features)] + ["y"]
    return Table(tuple(Column(name, "number", generator.standard_normal(rows)) for name in names), rows)


def spec_of(table: Table, document: dict[str, Any]) -> TrainingSpec:
    training = {"epochs": 2, **document.get("training", {})}
    return parse_spec({"target": "y", **document, "training": training}, table.profile())


def measured_peak(name: str) -> int:
    """How far the resident memory rises above where it stands with the table in memory."""
    rows, features, document = TRAININGS[name]
    warm = table_of(100, 2)
    for _ in Trainer(spec_of(warm, {}), warm).blocks():  # libraries and compiler are there
        pass
    table = table_of(rows, features)
    other = table_of(OTHER_ROWS, features) if "split" in document else None
    spec, before = spec_of(table, document), resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew: proc(5)
    trainer = Trainer(spec, table, validation=other)
    for _ in trainer.blocks():
        trainer.checkpoint()
    trainer.result().model.to_bytes()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_stays_below_its_estimate_and_not_far(name: str) -> None:
    rows, features, document = TRAININGS[name]
    table = table_of(rows, features)
    other = table_of(OTHER_ROWS, features) if "split" in document else None
    held = (rows + (OTHER_ROWS if other else 0)) * (features + 1)
    spec, profile = spec_of(table, document), other.profile() if other else None
    told = training_bytes(spec, table.profile(), profile) - 8 * held
    script = f"from tests.engine.training.test_memory import measured_peak as m; print(m({name!r}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    took = int(run.stdout)
    assert told / 4 < took < told


def test_what_is_too_large_is_refused_with_the_estimate_and_takes_nothing() -> None:
    table = table_of(100, 3)
    spec = spec_of(table, {"model": {"hidden_layers": [2000, 2000]}})
    training_bytes(spec, table.profile())  # what is loaded once is loaded
    tracemalloc.start()
    (problem,) = memory_problems(spec, table.profile(), Limits(max_training_bytes=10**8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**6
    assert (problem.pointer, problem.code) == ("/training/batch_size", "too_large")
    assert f"{training_bytes(spec, table.profile()):,} bytes" in problem.detail
    assert "at most 100,000,000" in problem.detail
    assert not memory_problems(spec, table.profile(), Limits())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"split": {"validation": 0}},
        {"task": "regression", "optimizer": {"name": "sgd", "momentum": 0.9}, "model": {"hidden_layers": []}},
        {"training": {"batch_size": None, "precision": "float32"}},
    ],
)
def test_a_hollow_plan_allocates_what_the_real_one_does(change: dict[str, Any]) -> None:
    table = table_of(203, 7)
    spec = spec_of(table, change)
    hollow, real = hollow_plan(spec, table.profile()), prepare(spec, table).plan
    assert hollow.layers == real.layers
    assert allocated_bytes(hollow) == pytest.approx(allocated_bytes(real), rel=0.03)
    assert training_bytes(spec, table.profile()) > FIXED_BYTES + allocated_bytes(real)


def test_a_second_dataset_is_reckoned_too() -> None:
    table, other = table_of(203, 7), table_of(5_000, 7)
    spec = spec_of(table, {"split": {"dataset_id": "ds_other"}, "task": "regression"})
    hollow = hollow_plan(spec, table.profile(), other.profile())
    real = prepare(spec, table, other).plan
    assert allocated_bytes(hollow) == allocated_bytes(real)
    assert (len(hollow.train), len(hollow.validation or ())) == (203, 5_000)
    alone, both = (training_bytes(spec, table.profile(), each) for each in (None, other.profile()))
    assert both - alone > 8 * 5_000 * (8 + 7)  # its table and its encoded rows


def test_the_fallback_is_reckoned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(1000, 7)
    monkeypatch.setattr(choice, "can_compile", lambda: False)
    small = spec_of(table, {"training": {"batch_size": 1}})
    large = spec_of(table, {"training": {"batch_size": None}})
    assert FIXED_BYTES < training_bytes(small, table.profile()) < training_bytes(large, table.profile())
