"""Whole tables through a model: line by line what single predictions say."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.data.reading.formats import read_table, table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Table
from engine.errors import BadData
from engine.models.batches import BatchPrediction
from engine.models.model import TrainedModel
from tests.engine.trained import fruit_model, mixed_table, moons_model, trained, weight_model


def output(model: TrainedModel, table: Table, *options: Any) -> str:
    return b"".join(part for _, part in BatchPrediction(model, cut(table), *options).parts()).decode()


def cut(table: Table, rows: int = 1_000) -> Iterator[Table]:
    starts = range(0, table.row_count, rows)
    return (table.take(np.arange(start, min(start + rows, table.row_count))) for start in starts)


def answers(model: TrainedModel, table: Table) -> list[dict[str, Any]]:
    columns = {each.name: table.column(each.name).cells() for each in model.inputs}
    return model.predict(
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    )


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
@pytest.mark.parametrize("model", [fruit_model(), weight_model()], ids=["classes", "numbers"])
def test_each_line_is_the_rows_own_answer(model: TrainedModel, at_once: int) -> None:
    prediction = BatchPrediction(model, cut(mixed_table(), at_once), "ndjson", ("colour",))
    lines = [json.loads(line) for _, part in prediction.parts() for line in part.splitlines()]
    expected = answers(model, mixed_table())
    assert [line.pop("colour") for line in lines] == mixed_table().column("colour").cells()
    for line, answer in zip(lines, expected, strict=True):
        assert line.keys() == answer.keys()
        assert line.get("value") == pytest.approx(answer.get("value"))
        assert line.get("label") == answer.get("label")
        assert line.get("probabilities") == pytest.approx(answer.get("probabilities"))


def test_csv_has_a_header_and_is_read_again_by_this_service() -> None:
    text = output(fruit_model(), mixed_table(), "csv", ("size", "ripe"))
    rows = list(csv.reader(io.StringIO(text)))
    names = ["size", "ripe", "label", "probability_fig", "probability_pear", "probability_plum"]
    assert rows[0] == names
    table = read_table(text.encode(), "text/csv")
    assert table.row_count == 80
    assert [column.type for column in table.columns[:3]] == ["number", "boolean", "category"]
    assert table.column("size").cells() == mixed_table().column("size").cells()


def test_texts_that_a_spreadsheet_would_run_are_made_inert() -> None:
    hostile = ["=HYPERLINK(A1)", "+1", "-2+3", "@SUM(A1)", "\tx", "\r=1", "\n=1", "\uff1d1", "a=1", "'x"]
    rows = [[-0.5 * row, 1, text] for row, text in enumerate(hostile)]
    table = table_from_rows(["x1", "x2", "=1+1"], rows)
    copied = ("x1", "=1+1")
    prediction = BatchPrediction(moons_model(), [table], "csv", copied)
    header, *lines = csv.reader(
        io.StringIO(b"".join(part for _, part in prediction.parts()).decode(), newline="")
    )
    assert header[:2] == ["x1", "'=1+1"]
    assert [line[1] for line in lines] == [*(f"'{text}" for text in hostile[:-2]), *hostile[-2:]]
    assert [float(line[0]) for line in lines] == [row[0] for row in rows]
    exact = BatchPrediction(moons_model(), [table], "csv", copied, inert=False)
    header, *lines = csv.reader(io.StringIO(b"".join(part for _, part in exact.parts()).decode(), newline=""))
    assert (header[1], [line[1] for line in lines]) == ("=1+1", hostile)


def test_labels_that_a_spreadsheet_would_run_are_made_inert() -> None:
    table = table_from_rows(["x", "y"], [[row % 2, ("=A1", "-b")[row % 2]] for row in range(20)])
    model = trained(table, target="y", features=["x"], model={"hidden_layers": []})
    header, *lines = output(model, table).splitlines()
    assert header.startswith("label,")
    assert {line.split(",")[0] for line in lines} <= {"'=A1", "'-b"}


def test_a_hinge_model_gives_its_score() -> None:
    model = trained(
        mixed_table(), target="ripe", features=["size"], loss="hinge", model={"hidden_layers": []}
    )
    header, first, *_ = output(model, mixed_table()).splitlines()
    assert header == "label,score_0"
    assert first.split(",")[0] in {"true", "false"}


def test_what_is_beyond_float64_is_left_empty() -> None:
    table = table_from_rows(["x1", "x2"], [[1e308, -1e308]])
    assert json.loads(output(moons_model(), table, "ndjson"))["scores"][0] in (
        None,
        pytest.approx(0, abs=1e3),
    )


def test_a_table_that_does_not_fit_is_refused_before_the_first_line() -> None:
    with pytest.raises(BadData, match='no column "x2"'):
        next(BatchPrediction(moons_model(), [table_from_rows(["x1"], [[1]])]).parts())


def test_a_row_that_does_not_fit_is_named_wherever_it_comes() -> None:
    moons = make_sample("moons", {"n_samples": 40})
    model = trained(moons, target="y", preprocessing={"missing": "error"})
    tables = [table_from_rows(["x1", "x2"], rows) for rows in ([[1, 2]] * 3, [[1, 2], [1, None]])]
    parts = BatchPrediction(model, tables).parts()
    assert next(parts)[0] == 3
    with pytest.raises(BadData, match='column "x2" is empty in row 5'):
        next(parts)


def test_a_copied_column_may_be_called_as_an_answer_is() -> None:
    table = table_from_rows(["x1", "x2", "label"], [[1, 2, "mine"]])
    model = moons_model()
    header, line = output(model, table, "csv", ("label", "x1")).splitlines()
    assert header.startswith("label,x1,label")
    assert line.startswith("mine,1,")
    assert json.loads(output(model, table, "ndjson", ("label", "x1")))["label"] in (model.classes or ())
