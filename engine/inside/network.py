"""A network as a browser needs it to compute answers by itself: shapes, activations, scaling."""

from __future__ import annotations

from typing import Any

from engine.data.fitting.preprocessing import Encoding
from engine.data.table import Table
from engine.execution.plan import LayerPlan
from engine.inside.surface import usual_value
from engine.models.model import TrainedModel
from engine.spec.sections import TrainingSpec
from engine.training.preparation import prepare


def network_of_model(model: TrainedModel) -> dict[str, Any]:
    """The network of a trained model, without its parameters."""
    return _document(model.encoding, model.layers)


def network_of_training(spec: TrainingSpec, table: Table, validation: Table | None = None) -> dict[str, Any]:
    """The network that a training has, or will have, before there is a model."""
    prepared = prepare(spec, table, validation)
    return _document(prepared.encoding, prepared.plan.layers)


def _document(encoding: Encoding, layers: tuple[LayerPlan, ...]) -> dict[str, Any]:
    target = encoding.target
    return {
        "inputs": [
            {
                "name": each.name,
                "type": each.type,
                "categories": list(each.members),
                "offset": each.offset,
                "scale": each.scale,
                "min": each.lowest,
                "max": each.highest,
                "usual": usual_value(each),
                "width": each.width,
            }
            for each in encoding.inputs
        ],
        "layers": [
            {"inputs": layer.inputs, "units": layer.units, "activation": layer.activation} for layer in layers
        ],
        "target": {"name": target.name, "offset": target.offset, "scale": target.scale},
        "classes": None if target.classes is None else list(target.classes),
    }
