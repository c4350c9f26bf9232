"""From a spec and a table to a plan in numbers: rows chosen, columns encoded, weights made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.data.fitting.columns import checked_table
from engine.data.fitting.preprocessing import Encoding, fit_encoding
from engine.data.fitting.splits import rows_of_split_column, train_validation_rows
from engine.data.table import Table
from engine.errors import BadData
from engine.execution.plan import Array, LayerPlan, Plan, Rows
from engine.models.model import TrainedModel
from engine.models.network import encoded_rows, layer_plans, loss_of
from engine.nn.initializers import initial_layers
from engine.spec.resolve import class_text
from engine.spec.sections import TrainingSpec

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Preparation:
    """A plan, the encoding behind it, and the parameters it starts from."""

    plan: Plan
    encoding: Encoding

    @property
    def initial_parameters(self) -> Array:
        """The flat vector of first parameters, drawn by the spec's scheme and seed."""
        return self._initial.copy()

    _initial: Array


def prepare(
    spec: TrainingSpec, table: Table, other: Table | None = None, start: TrainedModel | None = None
) -> Preparation:
    """Everything a training needs, fitted on the training rows; raises BadData where rows run out.

    `other` is the dataset to validate on where the spec names one, `start` what `init_from` names: its
    encoding and its parameters then stand for fitted and drawn ones.
    """
    _require_start(spec, start)
    if spec.preprocessing.missing == "drop":
        table = _without_missing(table, spec.features)
        other = None if other is None else _without_missing(other, spec.features)
    train, validation = _split(spec, table)
    regression = spec.task == "regression"
    options = asdict(spec.preprocessing)
    if start is None:
        encoding = fit_encoding(table, train, spec.features, spec.target, options, regression=regression)
    else:
        encoding, table = start.encoding, _readable(spec, start.encoding, table)
    held_back = table.take(validation) if other is None else checked_table(encoding, other)
    layers = layer_plans(spec, encoding)
    rows = _weighted(spec, encoding, table.take(train))
    held = encoded_rows(spec, encoding, held_back) if held_back.row_count else None
    plan = plan_of(spec, layers, rows, held)
    return Preparation(
        plan, encoding, _initial_parameters(spec, layers) if start is None else start.parameters
    )


def plan_of(spec: TrainingSpec, layers: tuple[LayerPlan, ...], train: Rows, validation: Rows | None) -> Plan:
    """The plan of a spec for its layers and rows."""
    training = spec.training
    return Plan(
        layers=layers,
        task=spec.task,
        loss=loss_of(spec.loss),
        optimizer=spec.optimizer,
        schedule=spec.schedule,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=training.seed,
        precision=training.precision,
        early_stopping=training.early_stopping,
        train=train,
        validation=validation,
    )


def _require_start(spec: TrainingSpec, start: TrainedModel | None) -> None:
    if (start is None) != (spec.init_from is None):
        detail = f"the model {spec.init_from} that the training goes on from is not there"
        raise BadData.because(detail, code="no_start")


def _readable(spec: TrainingSpec, encoding: Encoding, table: Table) -> Table:
    """The table as a fitted encoding reads it, with the column of weights; raises BadData."""
    checked = checked_table(encoding, table)
    if spec.weight_column is None:
        return checked
    return Table((*checked.columns, table.column(spec.weight_column)), table.row_count)


def _initial_parameters(spec: TrainingSpec, layers: tuple[LayerPlan, ...]) -> Array:
    sizes = (layers[0].inputs, *(layer.units for layer in layers))
    drawn = initial_layers(spec.model.init.name, spec.model.init.knobs, sizes, spec.training.seed)
    return np.concatenate([part.ravel() for layer in drawn for part in layer])


def _without_missing(table: Table, features: tuple[str, ...]) -> Table:
    missing = np.any([table.column(name).is_missing for name in features], axis=0)
    if missing.all():
        raise BadData.because(
            "every row has an empty feature, and missing is drop",
            code="missing_values",
            hint="choose mean or median",
        )
    return table.take(np.flatnonzero(~missing))


def _split(spec: TrainingSpec, table: Table) -> tuple[IndexArray, IndexArray]:
    if spec.split.column is not None:
        train, validation = rows_of_split_column(table.column(spec.split.column))
        if not len(train):
            raise BadData.because(f'no row of "{spec.split.column}" says train', code="no_rows")
        return train, validation
    classes = strata(spec, table)
    return train_validation_rows(table.row_count, spec.split.validation, spec.training.seed, classes)


def strata(spec: TrainingSpec, table: Table) -> Array | None:
    """(rows,) each row's class, where every part of a split is to hold the same share of it."""
    if not spec.split.stratify or spec.task == "regression":
        return None
    return table.column(spec.target).values.astype(np.float64)


def _weighted(spec: TrainingSpec, encoding: Encoding, table: Table) -> Rows:
    """A table to learn from: its encoded rows, each with its weight."""
    rows = encoded_rows(spec, encoding, table)
    return replace(rows, weights=_weights(spec, encoding, table, rows.labels))


def _weights(spec: TrainingSpec, encoding: Encoding, table: Table, labels: Array) -> Array | None:
    """(rows,) weights of mean 1: of the class, times those of the weight column; None where all are 1."""
    weights = _class_weights(spec, encoding, labels)
    if spec.weight_column is not None:
        given = table.column(spec.weight_column).values
        weights = given if weights is None else weights * given
    if weights is None:
        return None
    if not weights.any():
        raise BadData.because("every training row has the weight 0", code="out_of_range")
    normalised: Array = weights / weights.mean()
    return normalised


def _class_weights(spec: TrainingSpec, encoding: Encoding, labels: Array) -> Array | None:
    """(rows,) each class by its rarity, or by the user's map (1 where it is silent)."""
    if spec.class_weight is None or encoding.target.classes is None:
        return None
    positions = labels.astype(np.int64)
    if spec.class_weight == "balanced":
        by_class = 1.0 / np.maximum(np.bincount(positions, minlength=len(encoding.target.classes)), 1)
    else:
        by_class = np.array([spec.class_weight.get(class_text(c), 1.0) for c in encoding.target.classes])
    weights: Array = by_class[positions]
    return weights
