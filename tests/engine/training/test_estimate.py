"""Estimates: near the truth for trainings of every shape."""

import time
from typing import Any

import pytest

from engine.data.samples import make_sample
from engine.data.table import Table
from engine.spec import parse_spec
from engine.training.estimate import estimate, made_up_table, reckoned_work
from engine.training.trainer import Trainer

MOONS: dict[str, Any] = {"target": "y", "model": {"hidden_layers": [16, 16]}}


def _spec(table: Table, **body: Any) -> Any:
    training = {"early_stopping": None, **body.pop("training", {})}
    return parse_spec({**MOONS, **body, "training": training}, table.profile())


def _measured(spec: Any, table: Table) -> float:
    started = time.perf_counter()
    for _ in Trainer(spec, table).blocks():
        pass
    return time.perf_counter() - started


@pytest.mark.parametrize(
    ("rows", "training"),
    [(200, {"epochs": 3000}), (4000, {"epochs": 200}), (4000, {"epochs": 40, "batch_size": 32})],
)
def test_an_estimate_is_within_a_small_factor_of_the_truth(rows: int, training: dict[str, Any]) -> None:
    table = make_sample("moons", {"n_samples": rows})
    spec = _spec(table, training=training)
    told, took = estimate(spec, table.profile()).seconds, _measured(spec, table)
    assert took / 5 < told < took * 5 + 0.5


def test_an_estimate_grows_with_epochs_and_ends_at_the_deadline() -> None:
    table = make_sample("moons", {"n_samples": 200})
    few, many = (
        estimate(_spec(table, training={"epochs": epochs, "max_seconds": None}), table.profile())
        for epochs in (1000, 1_000_000)
    )
    assert many.seconds > 100 * few.seconds > 0
    bounded = _spec(table, training={"epochs": 1_000_000, "max_seconds": 1})
    assert 1 <= estimate(bounded, table.profile()).seconds < 5
    assert few.memory_bytes == many.memory_bytes > 8 * 200 * 3


@pytest.mark.parametrize("sample", ["iris", "diabetes", "sine", "breast_cancer"])
def test_made_up_rows_are_of_the_same_shape(sample: str) -> None:
    table = make_sample(sample, {})
    target = table.names[-1]
    spec = parse_spec({"target": target, "training": {"epochs": 5}}, table.profile())
    made = made_up_table(spec, table.profile(), table.row_count)
    assert made.names == table.names
    assert [column.type for column in made.columns] == [column.type for column in table.columns]
    assert made.profile().column(target).distinct <= table.profile().column(target).distinct * 2  # type: ignore[union-attr]  # it is there
    assert estimate(spec, table.profile()).seconds > 0


def test_a_split_by_column_or_folds_can_be_estimated() -> None:
    table = make_sample("moons", {"n_samples": 200})
    plain = estimate(_spec(table, training={"epochs": 2000}), table.profile())
    folded = estimate(_spec(table, split={"folds": 5}, training={"epochs": 2000}), table.profile())
    assert folded.seconds > 2 * plain.seconds


def test_work_is_reckoned_in_proportion_to_the_time_that_trainings_take() -> None:
    table = make_sample("moons", {"n_samples": 4000})
    profile = table.profile()
    plain = reckoned_work(_spec(table, training={"epochs": 10}), profile)
    assert reckoned_work(_spec(table, training={"epochs": 30}), profile) == pytest.approx(3 * plain)
    assert reckoned_work(_spec(table, training={"epochs": 10, "batch_size": 8}), profile) > plain
    folded = _spec(table, training={"epochs": 10}, split={"folds": 4})
    assert reckoned_work(folded, profile) == pytest.approx(5 * plain)
    wide = _spec(table, training={"epochs": 100}, model={"hidden_layers": [128, 128]})
    narrow = _spec(table, training={"epochs": 1000, "batch_size": 32}, model={"hidden_layers": [8]})
    took = [_measured(spec, table) for spec in (wide, narrow)]
    told = [reckoned_work(spec, profile) for spec in (wide, narrow)]
    assert told[0] / told[1] / 6 < took[0] / took[1] < told[0] / told[1] * 6
