"""A network's scores for rows: compiled where this machine can, with NumPy where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from engine.execution.arrays import forward
from engine.execution.choice import can_compile
from engine.execution.plan import Array, LayerPlan

Scores = Callable[[Array], Array]
"""(rows, inputs) → (rows, outputs)."""


def make_predictor(layers: tuple[LayerPlan, ...], parameters: Array) -> Scores:
    """The scores of a network with these flat parameters; safe to call from many threads at once."""
    if can_compile():
        predictor: Scores = import_module("engine.execution.compiled_predictor").CompiledPredictor(
            layers, parameters
        )
        return predictor
    return lambda x: forward(layers, parameters, x)
