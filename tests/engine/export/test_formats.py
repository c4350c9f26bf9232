"""Every form of export, run where it is meant to run, on rows that the model has not seen."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from engine.export.formats import FORMS, export
from engine.registry import UnknownName
from tests.engine.export.cases import CASES, compiler, model_of, node, rows_of
from tests.servers import PostgresServer

every_case = pytest.mark.parametrize("case", CASES)


def agree(answers: list[dict[str, Any]], wanted: list[dict[str, Any]], within: float = 1e-12) -> None:
    """Says that labels are the same and numbers agree."""
    assert len(answers) == len(wanted)
    for got, want in zip(answers, wanted, strict=True):
        assert got.keys() == want.keys()
        assert got.get("label") == want.get("label")
        for name in want.keys() - {"label"}:
            assert got[name] == pytest.approx(want[name], rel=within, abs=within)


@every_case
def test_python_runs_by_itself(case: str, tmp_path: Path) -> None:
    code = export(model_of(case), "python").decode()
    (tmp_path / "model.py").write_text(code, encoding="utf-8")
    told = subprocess.run(
        ["python3", "-I", "model.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert told.stdout.startswith("the self-test row gives {")
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(compile(code, "model.py", "exec"), namespace)
    rows = rows_of(case)
    agree([namespace["predict"](row) for row in rows], model_of(case).predict(rows))


@every_case
def test_javascript_runs_in_node(case: str, tmp_path: Path) -> None:
    (tmp_path / "model.js").write_bytes(export(model_of(case), "javascript"))
    rows = rows_of(case)
    program = (
        "const model = require('./model.js'); model.selfTest();"
        "const rows = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(rows.map(model.predict)))"
    )
    told = subprocess.run(
        [node(), "-e", program],
        cwd=tmp_path,
        check=True,
        input=json.dumps(rows),
        capture_output=True,
        text=True,
    )
    agree(json.loads(told.stdout), model_of(case).predict(rows))


_MAIN = """
#include "model.c"
int main(void) {
    double row[MODEL_INPUTS], scores[MODEL_OUTPUTS];
    if (model_self_test()) return 1;
    for (;;) {
        for (int i = 0; i < MODEL_INPUTS; i++) if (scanf("%lf", &row[i]) != 1) return 0;
        if (model_scores(row, scores)) return 2;
        printf("%d", model_label(scores));
        if (!MODEL_CLASSES) scores[0] = model_value(scores);
        for (int i = 0; i < MODEL_OUTPUTS; i++) printf(" %.17g", scores[i]);
        puts("");
    }
}
"""


@every_case
def test_c_compiles_without_a_warning_and_runs(case: str, tmp_path: Path) -> None:
    model, rows = model_of(case), rows_of(case)
    (tmp_path / "model.c").write_bytes(export(model, "c"))
    (tmp_path / "main.c").write_text(_MAIN)
    strict = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    subprocess.run([*compiler(), *strict, "main.c", "-o", "main", "-lm"], cwd=tmp_path, check=True)
    lines = "\n".join(" ".join(_c_cell(each, row[each.name]) for each in model.inputs) for row in rows)
    told = subprocess.run([tmp_path / "main"], input=lines, check=True, capture_output=True, text=True).stdout
    for line, want in zip(told.splitlines(), model.predict(rows), strict=True):
        label, *numbers = line.split()
        wanted = want.get("scores") or [want["value"]]
        assert [float(number) for number in numbers] == pytest.approx(wanted, rel=1e-12, abs=1e-12)
        if model.classes is not None:
            assert model.classes[int(label)] == want["label"]


def _c_cell(each: Any, cell: Any) -> str:
    if cell is None:
        return "nan"
    return repr(float(each.position(cell) if each.type == "category" else cell))


def _sql_cell(cell: Any) -> Any:
    return float(cell) if isinstance(cell, bool) else cell


def _sql_answers(columns: list[str], found: list[Any], case: str) -> None:
    model = model_of(case)
    for cells, want in zip(found, model.predict(rows_of(case)), strict=True):
        got = dict(zip(columns, cells, strict=True))
        if model.classes is None:
            assert got["value"] == pytest.approx(want["value"], rel=1e-12)
            continue
        assert got["label"] == str(want["label"])
        for name, wanted in (("score", want["scores"]), ("probability", want.get("probabilities", {}))):
            numbers = wanted if isinstance(wanted, list) else list(wanted.values())
            assert [got[f"{name}_{i}"] for i in range(len(numbers))] == pytest.approx(
                numbers, rel=1e-12, abs=1e-12
            )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@every_case
def test_sql_runs_in_sqlite(case: str) -> None:
    model, rows = model_of(case), rows_of(case)
    base = sqlite3.connect(":memory:")
    base.execute(f"CREATE TABLE instances ({', '.join(_quoted(each.name) for each in model.inputs)})")
    marks = ", ".join("?" for _ in model.inputs)
    for row in rows:
        cells = [_sql_cell(row[each.name]) for each in model.inputs]
        base.execute(f"INSERT INTO instances VALUES ({marks})", cells)
    cursor = base.execute(export(model, "sql").decode())
    _sql_answers([column[0] for column in cursor.description], cursor.fetchall(), case)
    base.close()


@pytest.mark.parametrize("case", ["seed", "iris", "mixed", "gaps", "activations", "odd names"])
def test_sql_runs_in_postgresql(case: str, postgres: PostgresServer) -> None:
    import psycopg

    model, rows = model_of(case), rows_of(case)
    url = postgres.url("postgres").replace("postgresql+psycopg://", "postgresql://")
    columns = ", ".join(
        f"{_quoted(each.name)} {'text' if each.type == 'category' else 'float8'}" for each in model.inputs
    )
    with psycopg.connect(url) as base, base.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE instances ({columns})".encode())
        marks = ", ".join("%s" for _ in model.inputs)
        for row in rows:
            cells = [_sql_cell(row[each.name]) for each in model.inputs]
            cursor.execute(f"INSERT INTO instances VALUES ({marks})".encode(), cells)
        cursor.execute(export(model, "sql"))
        assert cursor.description is not None
        _sql_answers([column.name for column in cursor.description], cursor.fetchall(), case)


@every_case
def test_onnx_runs_in_onnxruntime(case: str) -> None:
    model, rows = model_of(case), rows_of(case)
    data = export(model, "onnx")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = dict(
        zip(
            [each.name for each in session.get_outputs()], session.run(None, _feeds(model, rows)), strict=True
        )
    )
    wanted = model.predict(rows)
    within = 1e-5 if case == "activations" else 1e-12  # onnxruntime has the error function in float32 only
    if model.classes is None:
        assert found["value"][:, 0].tolist() == pytest.approx([each["value"] for each in wanted], rel=within)
        return
    assert [str(label) for label in found["label"].tolist()] == [str(each["label"]) for each in wanted]
    assert found["scores"].tolist() == [
        pytest.approx(each["scores"], rel=within, abs=within) for each in wanted
    ]
    if "probabilities" in found:
        assert found["probabilities"].tolist() == [
            pytest.approx(list(each["probabilities"].values()), rel=within, abs=within) for each in wanted
        ]


def _feeds(model: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    if all(each.type == "number" for each in model.inputs):
        cells = [[np.nan if (c := row[i.name]) is None else c for i in model.inputs] for row in rows]
        return {"input": np.array(cells)}
    feeds: dict[str, Any] = {}
    for each in model.inputs:
        column = [row[each.name] for row in rows]
        if each.type == "category":
            feeds[each.name] = np.array([["" if cell is None else cell] for cell in column], dtype=object)
        else:
            kind = bool if each.type == "boolean" else np.float64
            fill = each.fill if each.type == "boolean" else np.nan
            feeds[each.name] = np.array([[fill if cell is None else cell] for cell in column], dtype=kind)
    return feeds


def test_equal_models_give_equal_bytes() -> None:
    for name in FORMS.names():
        assert export(model_of("iris"), name) == export(model_of("iris"), name)


def test_an_unknown_form_is_named_with_the_one_meant() -> None:
    with pytest.raises(UnknownName) as caught:
        export(model_of("iris"), "onyx")
    assert caught.value.suggestion == "onnx"
