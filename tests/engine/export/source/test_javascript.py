"""Exports in JavaScript, run by Node on unseen rows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from engine.export.formats import export
from tests.engine.export.cases import CASES, agree, model_of, node, rows_of

every_case = pytest.mark.parametrize("case", CASES)


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
