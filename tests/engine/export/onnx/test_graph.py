"""ONNX graphs: each operation of the table as onnxruntime computes it."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from engine.autograd.vectorized import vectorized
from engine.export.onnx.graph import DOUBLE, OnnxGraph
from engine.export.scalars import write
from engine.nn.activations import ACTIVATIONS

X = np.array([[-30.0, -1.5, -1e-9, 0.0, 0.25, 30.0]])


@pytest.mark.parametrize("name", ACTIVATIONS.names())
def test_an_activation_computes_what_the_engine_computes(name: str) -> None:
    graph = OnnxGraph()
    graph.end("y", write(name, graph.begin("x", DOUBLE, X.shape[1]), graph), DOUBLE, X.shape[1])
    session = onnxruntime.InferenceSession(
        graph.to_bytes("test", "1", {}), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": X})
    within = 1e-6 if name == "gelu" else 1e-14
    wanted = vectorized(ACTIVATIONS.get(name), 1)(X).value
    assert np.asarray(found) == pytest.approx(wanted, rel=within, abs=within)
