"""A draft spec meets a table's profile: what was left open is decided, what cannot work is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from engine.autograd.expression import BadExpression, parse_loss
from engine.data.profile import ColumnProfile, Profile, is_identifier
from engine.errors import escaped
from engine.nn.losses import LOSSES
from engine.registry import listed
from engine.spec.families import OPTIMIZER
from engine.spec.roles import check_roles, check_split_column, check_weight_column, resolved_split
from engine.spec.rules import Report, is_unset, shown
from engine.spec.sections import (
    EarlyStopping,
    HiddenLayer,
    Limits,
    LossChoice,
    Model,
    Training,
    TrainingSpec,
)

CLASS_VALUES_BY_DEFAULT = 20
DEFAULT_LOSS = {"binary": "binary_cross_entropy", "multiclass": "cross_entropy", "regression": "mse"}


@dataclass(frozen=True, slots=True)
class Resolution:
    """One pass over a draft: the profile it must fit, the limits, and the problems found on the way."""

    profile: Profile
    limits: Limits
    report: Report

    def spec(self, draft: TrainingSpec) -> TrainingSpec:
        """The draft with every open knob decided; what has a problem is decided as well as may be."""
        target = self.target(draft.target)
        task = self.task(draft.task, target)
        spec = replace(
            draft,
            task=task,
            features=self.features(draft),
            split=resolved_split(draft.split, self.profile, self.report),
            model=self.model(draft.model),
            loss=self.loss(draft.loss, task),
            class_weight=self.class_weight(draft.class_weight, task, target),
            optimizer=OPTIMIZER.default() if is_unset(draft.optimizer) else draft.optimizer,
        )
        spec = replace(spec, training=self.training(draft.training, spec))
        self.check_parts(spec)
        self.check_missing(spec)
        self.check_size(spec, target)
        return spec

    def target(self, name: Any) -> ColumnProfile | None:
        """The target's profile, once it is fit to be learnt."""
        column = None if is_unset(name) else self._column(name, "/target")
        if is_unset(name):
            if not any(problem.pointer == "/target" for problem in self.report):
                hint = f"name one of {', '.join(self.profile.names[:20])}"
                self.report.add(
                    "/target", "missing_field", "target is missing: it names the column to predict", hint
                )
        elif column is not None and column.missing:
            detail = f'target "{name}" is empty in {column.missing} of {self.profile.row_count} rows'
            self.report.add("/target", "missing_values", detail, "remove these rows or fill them in")
        return column

    def _column(self, name: str, pointer: str) -> ColumnProfile | None:
        column = self.profile.column(name)
        if column is None:
            names = self.profile.names
            detail = f"no column {shown(name)}; there are {listed(names)}"
            self.report.add(pointer, "unknown_column", detail, self.report.hint_of(name, names))
        return column

    def task(self, given: Any, target: ColumnProfile | None) -> str:
        """The task asked for, if the target allows it, or the one the target suggests."""
        if target is None:
            return "regression" if is_unset(given) else str(given)
        task = inferred_task(target) if is_unset(given) else str(given)
        if task == "regression":
            if target.type != "number":
                detail = f'task regression needs a target of numbers; "{target.name}" is a {target.type}'
                self.report.add("/task", "wrong_target", detail, "choose binary or multiclass")
            return task
        if target.distinct < 2:
            detail = f'target "{target.name}" has {target.distinct} distinct value: nothing can be learnt'
            self.report.add("/target", "one_class", detail, "choose a column with at least two classes")
        elif task == "binary" and target.distinct != 2:
            detail = f'task binary needs 2 classes; target "{target.name}" has {target.distinct}'
            self.report.add("/task", "wrong_target", detail, "choose multiclass")
        elif target.distinct > self.limits.max_classes:
            most = self.limits.max_classes
            detail = f'target "{target.name}" has {target.distinct:,} classes; at most {most:,} are allowed'
            self.report.add("/task", "out_of_range", detail, "choose regression, or a coarser target")
        return task

    def check_parts(self, spec: TrainingSpec) -> None:
        """Refuses columns that cannot say the split or the weights."""
        if spec.split.column is not None:
            column = self._column(spec.split.column, "/split/column")
            if column is not None:
                check_split_column(column, self.report)
        if spec.weight_column is not None:
            column = self._column(spec.weight_column, "/weight_column")
            if column is not None:
                check_weight_column(column, self.report)
        check_roles(spec, self.report)

    def features(self, draft: TrainingSpec) -> tuple[str, ...]:
        """The columns named, or all but those with another part and columns that only name rows."""
        given, target = draft.features, draft.target
        if is_unset(given):
            parts = (target, draft.split.column, draft.weight_column)
            rows = self.profile.row_count
            others = [
                column
                for column in self.profile.columns
                if column.name not in parts and column.distinct and not is_identifier(column, rows)
            ]
            if not others:
                self.report.add("/features", "no_features", "no column is left to predict from")
            return tuple(column.name for column in others)
        known, named = {column.name: column for column in self.profile.columns}, set[str]()
        for i, name in enumerate(given):
            if self.report.is_full:
                break
            column = known[name] if name in known else self._column(name, f"/features/{i}")
            if name == target:
                self.report.add(f"/features/{i}", "target_as_feature", f'"{name}" is the target itself')
            elif name in named:
                self.report.add(f"/features/{i}", "duplicate_name", f'"{name}" is named twice')
            elif column is not None and not column.distinct:
                self.report.add(f"/features/{i}", "missing_values", f'column "{name}" is empty')
            named.add(name)
        return tuple(given)

    def model(self, draft: Model) -> Model:
        """The layers asked for within the limits, or a net of moderate size."""
        if draft.init.name == "uniform" and draft.init["low"] > draft.init["high"]:
            detail = f"low must not exceed high, got {draft.init['low']:g} and {draft.init['high']:g}"
            self.report.add("/model/init", "out_of_range", detail)
        if is_unset(draft.hidden_layers):
            return replace(draft, hidden_layers=(HiddenLayer(32), HiddenLayer(16)))
        layers, limits = draft.hidden_layers, self.limits
        if len(layers) > limits.max_layers:
            detail = f"hidden_layers must have at most {limits.max_layers} layers, got {len(layers)}"
            self.report.add("/model/hidden_layers", "out_of_range", detail)
        for i, layer in enumerate(layers):
            if layer.units > limits.max_units:
                detail = f"units must lie between 1 and {limits.max_units}, got {layer.units}"
                self.report.add(
                    f"/model/hidden_layers/{i}", "out_of_range", detail, "use fewer units, or more layers"
                )
        return draft

    def loss(self, given: Any, task: str) -> LossChoice:
        """The loss asked for, if it fits the task, or the task's own."""
        if is_unset(given):
            return LossChoice(DEFAULT_LOSS[task])
        if given.expression is not None:
            self._check_expression(given.expression)
        elif task not in (fits := LOSSES.get(given.name)).tasks:
            fitting = ", ".join(name for name, loss in LOSSES if task in loss.tasks)
            detail = f"loss {given.name} is for {' and '.join(fits.tasks)}, the task is {task}"
            self.report.add("/loss", "wrong_task", detail, f"for {task} there are {fitting}")
        return LossChoice(given.name, given.expression)

    def _check_expression(self, text: str) -> None:
        try:
            parse_loss(text)
        except BadExpression as error:
            self.report.add("/loss/expression", "bad_expression", str(error), error.hint)

    def class_weight(self, given: Any, task: str, target: ColumnProfile | None) -> Any:
        """`balanced`, or a weight for known classes of a classification."""
        if given is None or target is None:
            return given
        if task == "regression":
            self.report.add(
                "/class_weight", "wrong_task", "class_weight is for classes, the task is regression"
            )
        elif isinstance(given, dict):
            known = [class_text(value) for value, _ in target.categories]
            for name in given.keys() - set(known):
                if self.report.is_full:
                    break
                hint = self.report.hint_of(name, known)
                detail = f'target "{target.name}" has no class {shown(name)}; there are {listed(known)}'
                self.report.add(f"/class_weight/{escaped(name)}", "unknown_name", detail, hint)
        return given

    def training(self, draft: Training, spec: TrainingSpec) -> Training:
        """Epochs, batches and the end of training, each within the limits."""
        limits, held_back = self.limits, spec.split.is_held_back or spec.split.folds is not None
        rows = self.profile.row_count
        training = draft
        if is_unset(draft.batch_size):
            training = replace(training, batch_size=default_batch_size(rows))
        if is_unset(draft.epochs):
            training = replace(training, epochs=min(default_epochs(rows), limits.max_epochs))
        elif draft.epochs > limits.max_epochs:
            detail = f"epochs must lie between 1 and {limits.max_epochs}, got {draft.epochs}"
            self.report.add("/training/epochs", "out_of_range", detail)
        if draft.max_seconds is not None and draft.max_seconds > limits.max_seconds:
            detail = f"max_seconds must be at most {limits.max_seconds:g}, got {draft.max_seconds:g}"
            self.report.add("/training/max_seconds", "out_of_range", detail)
        if is_unset(draft.early_stopping):
            stopping = EarlyStopping(patience=default_patience(rows)) if held_back else None
            return replace(training, early_stopping=stopping)
        if draft.early_stopping is not None:
            self._check_metric(draft.early_stopping.metric, spec.task, held_back)
        return training

    def _check_metric(self, metric: str, task: str, held_back: bool) -> None:
        pointer = "/training/early_stopping/metric"
        if metric.startswith("val_") and not held_back:
            detail = f"{metric} needs validation rows, and split.validation is 0"
            self.report.add(pointer, "out_of_range", detail, "watch train_loss, or hold rows back")
        if metric.endswith(("_accuracy", "_r2")) and metric.endswith("_r2") != (task == "regression"):
            self.report.add(pointer, "wrong_task", f"{metric} does not belong to the task {task}")

    def check_missing(self, spec: TrainingSpec) -> None:
        """Refuses empty cells where they are to be errors."""
        if spec.preprocessing.missing != "error":
            return
        for column in filter(None, map(self.profile.column, spec.features)):
            if column.missing:
                detail = f'column "{column.name}" is empty in {column.missing} rows, and missing is "error"'
                self.report.add(
                    "/preprocessing/missing", "missing_values", detail, "choose mean, median or drop"
                )

    def check_size(self, spec: TrainingSpec, target: ColumnProfile | None) -> None:
        """Refuses a network too large before anything is allocated."""
        if target is None or self.report:
            return
        count, limits = spec.parameter_count(self.profile), self.limits
        if count > limits.max_parameters:
            detail = (
                f"the network would have {count:,} parameters; at most {limits.max_parameters:,} are allowed"
            )
            self.report.add("/model/hidden_layers", "too_large", detail, "use fewer or narrower layers")


def inferred_task(target: ColumnProfile) -> str:
    """Classes for text, booleans and integers with few distinct values; otherwise a regression."""
    classes = target.type != "number" or (target.integer and target.distinct <= CLASS_VALUES_BY_DEFAULT)
    if not classes:
        return "regression"
    return "binary" if target.distinct <= 2 else "multiclass"


def class_text(value: Any) -> str:
    """A class as a JSON member's name: text as it is, numbers and booleans as JSON prints them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def default_batch_size(rows: int) -> int:
    """32 rows, more for large tables: some 2,000 steps an epoch at most."""
    return max(32, 1 << (rows // 2_000).bit_length())


def default_epochs(rows: int) -> int:
    """About 200,000 rows seen in all, but 20 to 1,000 passes."""
    return max(20, min(1_000, 200_000 // max(rows, 1)))


def default_patience(rows: int) -> int:
    """A pass over few rows is few steps: the fewer, the more passes without a gain are borne."""
    return max(20, min(200, 10_000 // max(rows, 1)))
