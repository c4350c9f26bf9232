"""ONNX Runtime in float64, one thread: it predicts only."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.workloads import Workload


def session(w: Workload) -> Any:
    """A session of the workload's network, from `x` to its scores."""
    nodes, given, current = [], [], "x"
    for i, (weights, biases) in enumerate(w.weights):
        given += [numpy_helper.from_array(np.ascontiguousarray(weights.T), f"w{i}")]
        given += [numpy_helper.from_array(biases, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [current, f"w{i}", f"b{i}"], [f"z{i}"]))
        current = f"z{i}"
        if i < len(w.weights) - 1:
            nodes.append(helper.make_node("Relu" if w.activation == "relu" else "Tanh", [current], [f"h{i}"]))
            current = f"h{i}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, width])
        for name, width in (("x", w.sizes[0]), (current, w.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
