"""What a compiled training keeps in memory: arrays as a program reads them, and how many bytes they take."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler.jit import Target
from engine.compiler.kernels.layout import LayerShape, rounded_up
from engine.compiler.programs.shape import ProgramShape, structure
from engine.compiler.programs.training import regions, traced_update
from engine.execution.plan import Array, LayerPlan, Plan, Rows

PAGE = 4_096


def aligned_zeros(numbers: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of zeros that starts on a page."""
    raw = np.zeros(numbers * dtype.itemsize + PAGE, np.uint8)
    start = -raw.ctypes.data % PAGE
    return raw[start : start + numbers * dtype.itemsize].view(dtype)


def shape_of(plan: Plan) -> ProgramShape:
    """The shape of a plan."""
    stopping = plan.early_stopping
    splits = (plan.train, plan.validation) if plan.validation else (plan.train,)
    return ProgramShape(
        layers=layer_shapes(plan.layers),
        loss=plan.loss,
        kind="regression" if plan.task == "regression" else "classes",
        watched=stopping.metric if stopping else ("val_loss" if plan.validation else "train_loss"),
        optimizer=plan.optimizer.name,
        knobs=structure(plan.optimizer.knobs),
        batch=plan.rows_per_step,
        shuffled=plan.batch_size is not None,
        weighted=any(rows.weights is not None for rows in splits),
        validated=plan.validation is not None,
        precision=plan.precision,
    )


def layer_shapes(layers: tuple[LayerPlan, ...]) -> tuple[LayerShape, ...]:
    """Layers as the compiler knows them."""
    return tuple(LayerShape(layer.inputs, layer.units, layer.activation, layer.dropout) for layer in layers)


class Data:
    """Rows as a program reads them: inputs padded to whole panels, one target a row."""

    def __init__(self, rows: Rows, shape: ProgramShape) -> None:
        width, dtype = shape.layouts[0].inputs.padded, np.dtype(shape.precision)
        self.x = aligned_zeros(len(rows) * width, dtype).reshape(len(rows), width)
        self.x[:, : rows.x.shape[1]] = rows.x
        self.targets = np.ascontiguousarray(_targets(rows, shape), dtype)
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        self.weights = np.ascontiguousarray(weights, dtype)
        self.order = np.arange(rounded_up(len(rows), shape.real.lanes), dtype=np.uint32)


def _targets(rows: Rows, shape: ProgramShape) -> Array:
    """The target of a single output; of several, the class whose indicator they are."""
    if rows.targets.shape[1] == 1:
        return rows.targets[:, 0]
    low, high = shape.targets
    indicator = np.where(rows.labels[:, None] == np.arange(rows.targets.shape[1]), high, low)
    if not np.array_equal(indicator, rows.targets):
        raise ValueError("the targets of several outputs must indicate the row's class")
    return rows.labels


def correction_numbers(plan: Plan, shape: ProgramShape) -> int:
    """Numbers in the table of an epoch's corrections: whole vectors, at least one of them."""
    corrections = len(traced_update(shape.optimizer, shape.knobs).corrections)
    return max(corrections, 1) * rounded_up(plan.steps_per_epoch, shape.real.lanes)


def allocated_bytes(plan: Plan, target: Target | None = None) -> int:
    """What a compiled training of this plan allocates: its rows, its workspace, where parameters lie.

    Nothing is allocated or compiled to tell: the rows may be hollow.
    """
    shape, splits = shape_of(plan), [len(rows) for rows in (plan.train, plan.validation) if rows]
    numbers = sum(splits) * (shape.layouts[0].inputs.padded + 2) + _workspace_numbers(shape, target)
    numbers += correction_numbers(plan, shape)
    shuffling = splits[:1] if shape.shuffled else []
    places = sum(rounded_up(rows, shape.real.lanes) for rows in splits + shuffling)
    return numbers * shape.real.bytes + places * 4 + plan.parameter_count * 8


@lru_cache(maxsize=256)
def _workspace_numbers(shape: ProgramShape, target: Target | None) -> int:
    """Numbers in the workspace of a shape's program: asked for each job, of few shapes."""
    return regions(shape, target).size
