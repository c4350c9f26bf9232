"""Exports in ONNX, checked by its own library and run by onnxruntime on unseen rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from engine.export.formats import export
from tests.engine.export.cases import CASES, model_of, rows_of

every_case = pytest.mark.parametrize("case", CASES)


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
