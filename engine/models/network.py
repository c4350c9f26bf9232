"""What a spec and an encoding make of a network: its layers, its loss, and rows as both see them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.autograd.expression import parse_loss
from engine.data.fitting.preprocessing import Encoding
from engine.data.table import Table
from engine.execution.plan import Array, LayerPlan, Rows
from engine.nn.losses import LOSSES, Loss
from engine.spec.sections import LossChoice, TrainingSpec


def loss_of(choice: LossChoice) -> Loss:
    """The registered loss, or one made of the user's expression."""
    if choice.expression is not None:
        tasks = ("binary", "multiclass", "regression")
        return Loss("expression", parse_loss(choice.expression), "value", tasks=tasks)
    return LOSSES.get(str(choice.name))


def layer_plans(spec: TrainingSpec, encoding: Encoding) -> tuple[LayerPlan, ...]:
    """The network's layers for what the columns were encoded as."""
    return network_layers(spec, encoding.width, _outputs(spec, encoding))


def network_layers(spec: TrainingSpec, inputs: int, outputs: int) -> tuple[LayerPlan, ...]:
    """The network's layers between so many inputs and outputs."""
    hidden = spec.model.hidden_layers
    sizes = (inputs, *(layer.units for layer in hidden), outputs)
    activations = (
        *((layer.activation, layer.dropout) for layer in hidden),
        (spec.model.output_activation, 0.0),
    )
    return tuple(
        LayerPlan(inputs, units, activation, dropout)
        for (inputs, units), (activation, dropout) in zip(pairwise(sizes), activations, strict=True)
    )


def encoded_rows(spec: TrainingSpec, encoding: Encoding, table: Table) -> Rows:
    """A whole table as the network and the loss see it, every row with the weight 1; raises BadData."""
    labels = encoding.encode_target(table)
    targets = _targets(spec.task, loss_of(spec.loss), labels, _outputs(spec, encoding))
    return Rows(encoding.encode(table), targets, labels, scale=encoding.target.scale)


def _outputs(spec: TrainingSpec, encoding: Encoding) -> int:
    """Units of the last layer: one a class, or a single one."""
    return len(encoding.target.classes or ()) if spec.task == "multiclass" else 1


def _targets(task: str, loss: Loss, labels: Array, outputs: int) -> Array:
    """(rows, outputs): what the loss compares scores with."""
    if task == "regression":
        return labels[:, None].copy()
    indicator = (
        labels[:, None] if task == "binary" else (labels[:, None] == np.arange(outputs)).astype(np.float64)
    )
    margin = loss.targets == "margin" or (loss.targets == "value" and task == "binary")
    return 2.0 * indicator - 1.0 if margin else indicator.copy()
