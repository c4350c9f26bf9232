"""Exports in C, compiled without a warning and run on unseen rows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.export.formats import export
from tests.engine.export.cases import CASES, compiler, model_of, rows_of

every_case = pytest.mark.parametrize("case", CASES)
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
    if each.type == "category":
        position = each.position(cell)
        return "-1.0" if position is None else repr(float(position))  # as model_category gives it
    return repr(float(cell))
