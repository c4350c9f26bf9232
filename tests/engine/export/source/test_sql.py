"""Exports in SQL, run by SQLite and PostgreSQL on unseen rows."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg
import pytest

from engine.export.formats import export
from tests.engine.export.cases import CASES, model_of, rows_of
from tests.servers import PostgresServer

every_case = pytest.mark.parametrize("case", CASES)


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
