"""How much memory a training needs, from its spec and the data's profile: nothing is allocated to tell."""

from __future__ import annotations

import math

import numpy as np

from engine.data.profile import Profile
from engine.errors import Problem
from engine.execution.arrays import PREDICTION_ROWS
from engine.execution.choice import allocated_bytes
from engine.execution.plan import Array, Plan, Rows
from engine.models.network import network_layers
from engine.nn.optimizers import OPTIMIZERS
from engine.spec.sections import Limits, TrainingSpec
from engine.training.preparation import plan_of

NUMBER_BYTES = 8
FIXED_BYTES = 48 * 2**20
"""What even the smallest training adds to a process: LLVM at work, the code, a chunk's history."""


def training_bytes(spec: TrainingSpec, profile: Profile, other: Profile | None = None) -> int:
    """An upper bound on what a training adds to its process at its fullest moment.

    `other` is the profile of the dataset to validate on, where the spec names one. The tables and the
    encoded rows are held from first to last. Beside them stand, while rows are prepared, what is taken of
    the tables and the rows once more; and in training all that the executor allocates, the first parameters
    twice, the state twice, and a checkpoint of it twice or the model with its judging.
    """
    plan = hollow_plan(spec, profile, other)
    tables = [profile] if other is None else [profile, other]
    rows = sum(table.row_count for table in tables)
    held = sum(table.row_count * len(table.columns) for table in tables)
    held += sum(_numbers(part) for part in (plan.train, plan.validation) if part)
    moments = len(OPTIMIZERS.get(spec.optimizer.name).state(spec.optimizer.knobs))
    state = (2 + moments) * plan.parameter_count * np.dtype(plan.precision).itemsize
    widest = max(layer.units for layer in plan.layers)
    judging = NUMBER_BYTES * (4 * plan.parameter_count + 6 * widest * min(rows, PREDICTION_ROWS))
    first = NUMBER_BYTES * 2 * plan.parameter_count
    training = NUMBER_BYTES * held + allocated_bytes(plan) + first + 2 * state + max(2 * state, judging)
    return FIXED_BYTES + max(2 * NUMBER_BYTES * held, training)


def _numbers(rows: Rows) -> int:
    return rows.x.size + rows.targets.size + 2 * len(rows)


def memory_problems(
    spec: TrainingSpec, profile: Profile, limits: Limits, other: Profile | None = None
) -> list[Problem]:
    """What makes a training larger than `limits.max_training_bytes`."""
    needed, most = training_bytes(spec, profile, other), limits.max_training_bytes
    if needed <= most:
        return []
    fact = f"the training would need up to {needed:,} bytes; at most {most:,} are allowed"
    remedy = "use smaller batches, fewer or narrower layers, or less data"
    return [Problem("/training/batch_size", "too_large", f"{fact} (max_training_bytes)", remedy)]


def hollow_plan(spec: TrainingSpec, profile: Profile, other: Profile | None = None) -> Plan:
    """The plan that a training will have, of rows that take no memory; `other` as in `training_bytes`."""
    inputs, *_, outputs = spec.layer_sizes(profile)
    count, share = profile.row_count, spec.split.validation
    held_back = max(1, math.floor(count * share)) if spec.split.is_held_back or spec.split.folds else 0
    train = count - held_back if share else count  # else who says how many
    held_back = other.row_count if other else held_back
    weighted = spec.class_weight is not None or spec.weight_column is not None
    rows = _hollow(train, inputs, outputs, weighted=weighted)
    held = _hollow(held_back, inputs, outputs) if held_back else None
    return plan_of(spec, network_layers(spec, inputs, outputs), rows, held)


def _hollow(rows: int, inputs: int, outputs: int, *, weighted: bool = False) -> Rows:
    """Rows of one zero, seen again and again."""

    def zeros(*shape: int) -> Array:
        return np.broadcast_to(np.float64(0.0), shape)

    weights = zeros(rows) if weighted else None
    return Rows(zeros(rows, inputs), zeros(rows, outputs), zeros(rows), weights)
