"""The expression graph as the judge of predictions."""

import numpy as np
from numpy.typing import NDArray

from engine.autograd.value import Value
from engine.execution.eager import EagerNetwork
from engine.execution.plan import Array, LayerPlan


def eager_gradients(
    layers: tuple[LayerPlan, ...], parameters: Array, x: Array, outputs: NDArray[np.int64]
) -> Array:
    """(rows, inputs): the slopes of each row's chosen score, by walking its graph backward."""
    network, found = EagerNetwork(layers, parameters), np.empty_like(x)
    for i, (row, output) in enumerate(zip(x.tolist(), outputs.tolist(), strict=True)):
        values = leaves = [Value(number) for number in row]
        for layer in network.layers:
            values = layer.outputs(values)
        values[output].backward()
        found[i] = [leaf.grad for leaf in leaves]
    return found
