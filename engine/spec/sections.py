"""The training spec: every knob once, with its rule, default and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engine.data.profile import ColumnProfile, Profile
from engine.errors import BadSpec, escaped
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from engine.spec.families import INIT, OPTIMIZER, SCHEDULE
from engine.spec.objects import Choice, Section, knob, knobs_of
from engine.spec.rules import COLUMN, UNSET, Boolean, ListOf, Nullable, Number, OneOf, Report, Text
from engine.spec.versions import completed, gaps

TASKS = ("binary", "multiclass", "regression")
PRECISIONS = ("float64", "float32")
_LEAVES = (str, int, float, dict, type(None), type(UNSET))


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a training may be; an operator sets these."""

    max_units: int = 4_096
    max_layers: int = 64
    max_parameters: int = 10_000_000
    max_epochs: int = 1_000_000
    max_seconds: float = 3_600.0
    max_classes: int = 1_000
    max_training_bytes: int = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What becomes of the columns before the network sees them; fitted on the training rows."""

    scale: str = knob(
        OneOf("scale", ("standard", "minmax", "robust", "none")),
        "standard",
        "standard: mean 0, deviation 1; minmax: 0 to 1; robust: median 0, quartile range 1; none: as is",
    )
    missing: str = knob(
        OneOf("missing", ("mean", "median", "most_frequent", "drop", "error")),
        "mean",
        "what fills an empty number (categories: the most frequent), or drop the row, or refuse it",
    )
    missing_indicator: bool = knob(
        Boolean(), default=False, help="give columns with gaps a further input: 1 where the cell was missing"
    )
    unknown_category: str = knob(
        OneOf("unknown_category", ("error", "ignore")),
        "error",
        "a category never seen in training: refuse the prediction, or encode it as none of the known",
    )
    min_category_rows: int = knob(
        Number(1, 1e9, whole=True), 1, "categories in fewer training rows than this share one input"
    )
    scale_target: bool = knob(Boolean(), default=True, help="regression: scale the target like a number too")


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows are held back to validate."""

    validation: float = knob(Number(0.0, 0.9), UNSET, "share of the rows held back; 0: none")
    stratify: bool = knob(Boolean(), default=True, help="hold back the same share of every class")
    column: str | None = knob(
        Nullable(COLUMN),
        None,
        "a column that says train, validation or test (left out) for each row; or true for validation",
    )
    dataset_id: str | None = knob(Nullable(Text(40)), None, "another dataset to validate on, all of it")
    folds: int | None = knob(
        Nullable(Number(2, 20, whole=True)),
        None,
        "cross-validation: as many trainings, each validated on its own part, then one on all rows",
    )

    @property
    def is_held_back(self) -> bool:
        """Whether there are validation rows at all."""
        return self.validation > 0.0 or self.column is not None or self.dataset_id is not None


@dataclass(frozen=True, slots=True)
class HiddenLayer:
    """One hidden layer."""

    units: int = knob(Number(1, whole=True), 16, "neurons in the layer")
    activation: str = knob(OneOf("activation", ACTIVATIONS.names()), "silu", "the neurons' activation")
    dropout: float = knob(
        Number(0.0, 0.95), 0.0, "share of the layer's outputs dropped in training (inverted)"
    )


class _LayerRule:
    """A hidden layer: an object, or its number of units alone."""

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """A HiddenLayer."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = {"units": value}
        elif not isinstance(value, dict):
            report.wrong_type(pointer, "a number of units or an object with units", value)
            return UNSET
        elif "units" not in value:
            report.add(pointer, "missing_field", "a hidden layer needs units")
        return Section(HiddenLayer).read(value, pointer, report)

    def schema(self) -> dict[str, Any]:
        """An integer or an object."""
        section = Section(HiddenLayer).schema() | {"required": ["units"]}
        return {"anyOf": [section["properties"]["units"], section]}


@dataclass(frozen=True, slots=True)
class Model:
    """The network's shape. The output layer's units follow from the task."""

    name: str | None = knob(
        Nullable(Text(100)), None, "gathers versions: each model of this name is the next one"
    )
    hidden_layers: tuple[HiddenLayer, ...] = knob(
        ListOf(_LayerRule(), maximum=1_000), UNSET, "from input to output; [] is a linear model"
    )
    output_activation: str = knob(
        OneOf("activation", ACTIVATIONS.names()), "linear", "the output units' activation"
    )
    init: Choice = knob(
        INIT, Choice("glorot_uniform", {}), "how the first parameters are drawn from the seed"
    )


@dataclass(frozen=True, slots=True)
class LossChoice:
    """A loss by name, or as an expression of the user's."""

    name: str | None = None
    expression: str | None = None


class _LossRule:
    """The name of a loss, or an object with an expression."""

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """A LossChoice."""
        if isinstance(value, str):
            name = OneOf("loss", LOSSES.names()).read(value, pointer, report)
            return UNSET if name is UNSET else LossChoice(name=name)
        if not isinstance(value, dict) or set(value) != {"expression"}:
            report.wrong_type(pointer, 'the name of a loss or {"expression": "…"}', value)
            return UNSET
        text = Text(1_000).read(value["expression"], f"{pointer}/expression", report)
        return UNSET if text is UNSET else LossChoice(expression=text)

    def schema(self) -> dict[str, Any]:
        """A name or an object."""
        expression = {
            "type": "object",
            "properties": {"expression": Text(1_000).schema()},
            "required": ["expression"],
            "additionalProperties": False,
        }
        return {"anyOf": [OneOf("loss", LOSSES.names()).schema(), expression]}


class _ClassWeightRule:
    """`balanced`, or a positive weight for each class by its text."""

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """ "balanced" or a dict."""
        if isinstance(value, dict):
            rule = Number(0.0, 1e6)
            read = {str(k): rule.read(v, f"{pointer}/{escaped(str(k))}", report) for k, v in value.items()}
            return UNSET if UNSET in read.values() else read
        return OneOf("class_weight", ("balanced",)).read(value, pointer, report)

    def schema(self) -> dict[str, Any]:
        """A word or a map."""
        weights = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1e6}}
        return {"anyOf": [{"type": "string", "enum": ["balanced"]}, weights]}


MONITORED = ("val_loss", "train_loss", "val_accuracy", "train_accuracy", "val_r2", "train_r2")


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """When to end before the last epoch."""

    metric: str = knob(OneOf("metric", MONITORED), "val_loss", "what must get better")
    patience: int = knob(Number(1, 1e6, whole=True), 20, "epochs without a gain before the end")
    min_delta: float = knob(Number(0.0, 1e6), 0.0, "the least change that counts as a gain")
    restore_best: bool = knob(
        Boolean(), default=True, help="keep the parameters of the best epoch, not of the last"
    )


@dataclass(frozen=True, slots=True)
class Training:
    """How long and in which steps."""

    epochs: int = knob(Number(1, whole=True), UNSET, "passes over the training rows")
    batch_size: int | None = knob(
        Nullable(Number(1, 1e9, whole=True)), UNSET, "rows a step; null: all of them"
    )
    seed: int = knob(Number(0, 2**53 - 1, whole=True), 1337, "what all random choices follow from")
    precision: str = knob(OneOf("precision", PRECISIONS), "float64", "the arithmetic")
    max_seconds: float | None = knob(
        Nullable(Number(0.0, above=True)), None, "training time after which the job ends"
    )
    early_stopping: EarlyStopping | None = knob(
        Nullable(Section(EarlyStopping)), UNSET, "default: on the validation loss, where rows are held back"
    )


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """A training in full: nothing is left open, so that the same spec, seed and data give the same bits."""

    target: str = knob(COLUMN, UNSET, "the column to predict")
    features: tuple[str, ...] = knob(
        ListOf(COLUMN, 1),
        UNSET,
        "the columns to predict from; default: all but target, weights and split, in file order",
    )
    task: str = knob(OneOf("task", TASKS), UNSET, "default: read off the target")
    preprocessing: Preprocessing = knob(
        Section(Preprocessing), Preprocessing(), "scaling, missing cells, categories"
    )
    split: Split = knob(Section(Split), Split(), "rows held back to validate")
    model: Model = knob(Section(Model), Model(), "the network")
    init_from: str | None = knob(
        Nullable(Text(140)), None, "a model whose parameters and preprocessing the training goes on from"
    )
    loss: LossChoice = knob(_LossRule(), UNSET, "default: cross entropy for classes, mse for a number")
    class_weight: Any = knob(Nullable(_ClassWeightRule()), None, "weight of each class in the loss")
    weight_column: str | None = knob(
        Nullable(COLUMN), None, "a column with each row's weight in the training loss"
    )
    optimizer: Choice = knob(OPTIMIZER, UNSET, "how parameters move")
    schedule: Choice = knob(
        SCHEDULE, Choice("constant", {"warmup_epochs": 0}), "the learning rate over the epochs"
    )
    training: Training = knob(Section(Training), Training(), "epochs, batches, seed")

    def parameter_count(self, profile: Profile) -> int:
        """Weights and biases of the network that this spec makes; fewer where rare categories share."""
        sizes = self.layer_sizes(profile)
        return sum((inputs + 1) * units for inputs, units in pairwise(sizes))

    def layer_sizes(self, profile: Profile) -> tuple[int, ...]:
        """Inputs, hidden units of each layer, outputs."""
        columns = filter(None, map(profile.column, self.features))
        inputs = sum(encoded_width(column, self.preprocessing) for column in columns)
        target = profile.column(self.target)
        outputs = target.distinct if self.task == "multiclass" and target else 1
        return (inputs, *(layer.units for layer in self.model.hidden_layers), outputs)

    def to_document(self) -> dict[str, Any]:
        """The spec as JSON, in full."""
        return dict(_plain(self))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> TrainingSpec:
        """The spec that `to_document` wrote, by this version or one before; raises BadSpec for any other."""
        report, whole = Report(), completed(document)
        spec: TrainingSpec = Section(cls).read(whole, "", report)
        for pointer in gaps(spec.to_document(), whole) if not report else ():
            detail = f"{pointer} is missing: no version wrote a spec like this"
            report.add(pointer, "missing_field", detail)
        if report:
            raise BadSpec(report)
        return spec


def encoded_width(column: ColumnProfile, preprocessing: Preprocessing) -> int:
    """The number of network inputs a column becomes: one, or one for each category; one more to say gaps."""
    fills = preprocessing.missing not in ("error", "drop")
    indicator = preprocessing.missing_indicator and fills and column.missing > 0
    return (max(column.distinct, 1) if column.type == "category" else 1) + indicator


def _plain(value: Any) -> Any:
    """A part of the spec as JSON has it."""
    if isinstance(value, _LEAVES):  # as most are
        return value
    if isinstance(value, LossChoice):
        return value.name if value.expression is None else {"expression": value.expression}
    if isinstance(value, Choice):
        key = INIT.key if value.name in INIT.members else "name"
        return {key: value.name, **{name: _plain(knob) for name, knob in value.knobs.items()}}
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    return {name: _plain(getattr(value, name)) for name in knobs_of(type(value))}
