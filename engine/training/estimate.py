"""How long a training will take: a short run of its own program on made-up rows of the same shape."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from engine.data.profile import ColumnProfile, Profile
from engine.data.table import Column, Table
from engine.errors import Diverged
from engine.spec.sections import Split, TrainingSpec
from engine.training.memory import training_bytes
from engine.training.trainer import Trainer

MAX_ROWS = 20_000
MAX_WORK = 5e7
"""Rows times parameters of one measured epoch: even the slowest executor then takes a second or two."""
MIN_ROWS = 64
MEASURED_SECONDS = 0.15


STEP_SECONDS, UNIT_SECONDS, PARAMETER_SECONDS = 1e-6, 2e-9, 4e-10
"""What a step costs, and in it a row for each unit and each parameter, about, on a core of our days."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """`seconds` if every epoch is trained, on a machine like this one; `memory_bytes` is an upper bound."""

    seconds: float
    memory_bytes: int


def estimate(spec: TrainingSpec, profile: Profile, other: Profile | None = None) -> Estimate:
    """Measures a little and reckons the rest: the cost of an epoch is in proportion to its rows.

    `other` is the profile of the dataset to validate on, where the spec names one: it counts as memory.
    Early stopping can't be foreseen, so its jobs may need less. Raises BadData as a training would.
    """
    rows = _rows_to_measure(spec, profile)
    simple, table = _simplified(spec), made_up_table(spec, profile, rows)
    epoch = _seconds_an_epoch(Trainer(simple, table)) * profile.row_count / rows
    started = time.perf_counter()
    Trainer(simple, table)  # again: by now its program is compiled, as it then is for the job
    prepared = time.perf_counter() - started
    trainings = 1 + (spec.split.folds or 0)
    seconds = prepared + spec.training.epochs * trainings * epoch
    most = spec.training.max_seconds
    bounded = seconds if most is None else min(seconds, prepared + most)
    return Estimate(bounded, training_bytes(spec, profile, other))


def reckoned_work(spec: TrainingSpec, profile: Profile) -> float:
    """How long a training takes, reckoned in microseconds of time and in seconds of no machine in particular.

    To be compared with that of other trainings: how fast a machine is tells the time that those took.
    """
    rows, units = profile.row_count, sum(spec.layer_sizes(profile)[1:])
    steps = math.ceil(rows / (spec.training.batch_size or rows))
    row = units * UNIT_SECONDS + spec.parameter_count(profile) * PARAMETER_SECONDS
    trainings = 1 + (spec.split.folds or 0)
    return spec.training.epochs * trainings * (steps * STEP_SECONDS + rows * row)


def made_up_table(spec: TrainingSpec, profile: Profile, rows: int) -> Table:
    """A table with the columns that the spec trains on, of the same types, ranges and classes."""
    names = {*spec.features, spec.target, spec.weight_column}
    draws = np.random.default_rng(spec.training.seed)
    columns = [_made_up(column, rows, draws) for column in profile.columns if column.name in names]
    return Table(tuple(columns), rows)


def _made_up(column: ColumnProfile, rows: int, draws: np.random.Generator) -> Column:
    turns = np.arange(rows)
    if column.type == "category":
        texts = tuple(sorted(str(value) for value, _ in column.categories))
        texts = texts or tuple(f"{i:09}" for i in range(column.distinct))  # more than a profile lists
        return Column(column.name, "category", (turns % max(len(texts), 1)).astype(np.int64), texts)
    if column.categories:
        values = np.array([float(value) for value, _ in column.categories])
        return Column(column.name, column.type, values[turns % len(values)])
    values = draws.normal(column.mean or 0.0, column.std or 1.0, rows)
    low, high = column.min, column.max
    return Column(column.name, column.type, np.clip(values, low, high))


def _simplified(spec: TrainingSpec) -> TrainingSpec:
    """The spec with nothing that ends it early, and with a split that needs no column and no other data."""
    share = spec.split.validation if spec.split.is_held_back else 0.0
    training = replace(spec.training, early_stopping=None, max_seconds=None)
    return replace(spec, split=Split(validation=share, stratify=False), training=training)


def _rows_to_measure(spec: TrainingSpec, profile: Profile) -> int:
    affordable = int(MAX_WORK / max(spec.parameter_count(profile), 1))
    # As many as a batch has, else an epoch would be of smaller steps than the real one.
    least = max(MIN_ROWS, spec.training.batch_size or 0)
    return max(1, min(profile.row_count, max(least, min(MAX_ROWS, affordable))))


def _seconds_an_epoch(trainer: Trainer) -> float:
    """The speed of all but the first chunk, which pays for what is made once."""
    marks = [(0, 0.0)]
    try:
        for _ in trainer.blocks(MEASURED_SECONDS / 4):
            marks.append((trainer.epoch, trainer.seconds))
            if trainer.seconds >= MEASURED_SECONDS:
                break
    except Diverged:
        marks.append((trainer.epoch, trainer.seconds))  # it was as quick as any other
    first = marks[1] if len(marks) > 2 else marks[0]
    epochs = marks[-1][0] - first[0]
    return (marks[-1][1] - first[1]) / max(epochs, 1)
