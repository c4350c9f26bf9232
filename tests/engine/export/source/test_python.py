"""Exports in Python, run by a bare interpreter on unseen rows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.export.formats import export
from tests.engine.export.cases import CASES, agree, model_of, rows_of

every_case = pytest.mark.parametrize("case", CASES)


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
