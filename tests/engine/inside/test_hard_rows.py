"""Rows and their losses, judged by the eager executor, one row at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.data.samples import make_sample
from engine.data.table import Table
from engine.execution.eager import EagerNetwork, row_loss
from engine.inside.hard_rows import worst_rows
from engine.models.model import TrainedModel
from engine.models.network import encoded_rows, loss_of
from tests.engine.trained import MOONS, fruit_model, mixed_table, moons_model, weight_model


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (moons_model(), make_sample("moons", MOONS)),
        (moons_model("relu"), make_sample("moons", MOONS)),
        (fruit_model(), mixed_table()),
        (weight_model(), mixed_table()),
    ],
)
def test_loss_and_norm_are_those_of_the_row_alone(model: TrainedModel, table: Table) -> None:
    rows = encoded_rows(model.spec, model.encoding, table)
    found = worst_rows(model, table, table.row_count)
    assert sorted(each.row for each in found) == list(range(table.row_count))
    assert [each.loss for each in found] == sorted((each.loss for each in found), reverse=True)
    for each in found[:10]:
        network = EagerNetwork(model.layers, model.parameters)
        scores = network.scores(rows.x[each.row].tolist())
        loss = row_loss(loss_of(model.spec.loss), scores, rows.targets[each.row].tolist())
        loss.backward()
        assert each.loss == pytest.approx(loss.data, rel=1e-10, abs=1e-12)
        norm = math.sqrt(sum(value.grad**2 for value in network.flat))
        assert each.gradient_norm == pytest.approx(norm, rel=1e-9, abs=1e-12)


def test_only_as_many_as_asked_for_with_their_predictions() -> None:
    table = make_sample("moons", MOONS)
    found = worst_rows(moons_model(), table, 3)
    assert len(found) == 3
    row = table.rows(found[0].row, found[0].row + 1)[0]
    assert found[0].prediction["label"] == moons_model().predict([row[:2]])[0]["label"]


def test_a_large_table_is_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_sample("moons", MOONS)
    whole = worst_rows(moons_model(), table, 20)
    monkeypatch.setattr("engine.inside.hard_rows.ROWS_AT_ONCE", 7)
    parts = worst_rows(moons_model(), table, 20)
    assert [each.row for each in whole] == [each.row for each in parts]
    assert np.allclose([each.loss for each in whole], [each.loss for each in parts], rtol=1e-12)
