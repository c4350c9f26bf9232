"""A network's scores and their gradients: compiled where this machine can, with NumPy where it cannot."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from engine.execution.array_predictor import ArrayPredictor, Gradients
from engine.execution.choice import can_compile
from engine.execution.plan import Array, LayerPlan


class Predictor(Protocol):
    """A network with its parameters; safe to call from many threads at once."""

    def __call__(self, x: Array) -> Array:
        """(rows, inputs) → (rows, outputs): the scores."""

    def gradients(self, x: Array, output: int | None = None) -> Gradients:
        """The scores, and by the inputs the slopes of `output`, or of each row's greatest score."""


def make_predictor(layers: tuple[LayerPlan, ...], parameters: Array) -> Predictor:
    """The predictor of a network with these flat parameters."""
    if can_compile():
        predictor: Predictor = import_module("engine.execution.compiled.predictor").CompiledPredictor(
            layers, parameters
        )
        return predictor
    return ArrayPredictor(layers, parameters)
