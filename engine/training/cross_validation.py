"""Cross-validation as one training: each fold held back once, and a final model on all rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.data.fitting.splits import fold_rows
from engine.data.table import Column, Table
from engine.errors import BadModel, Diverged
from engine.models.safetensors_header import safetensors_metadata
from engine.spec.sections import Split, TrainingSpec
from engine.training.metrics import Metrics
from engine.training.preparation import strata
from engine.training.records.history import HistoryBlock
from engine.training.trainer import Outcome, Trainer

FOLD_COLUMN = "\0fold"
"""The column that tells a fold's trainer what to hold back; no file can have one of this name."""


@dataclass(frozen=True, slots=True)
class FoldResult:
    """What one fold gave: metrics on its training rows and on those held back, and how it went."""

    train: Metrics
    validation: Metrics
    epochs: int
    best_epoch: int


class CrossValidation:
    """A Trainer of `folds` + 1 trainings one after the other; it stops anywhere and resumes exactly.

    Its epochs are those of all trainings in a row, and its history's column `fold` counts from 1; 0 is the
    final model's. Where folds stop early the final one has as many epochs as their best had, by the median.
    """

    def __init__(
        self, spec: TrainingSpec, table: Table, checkpoint: bytes | None = None, executor: str | None = None
    ) -> None:
        """Starts the first fold or, from a checkpoint, goes on where it stood. Raises as Trainer does."""
        self._spec, self._table, self._executor = spec, table, executor
        self._results: list[FoldResult] = []
        self._epochs_before, self._seconds_before = 0, 0.0
        saved = None
        if checkpoint is not None:
            saved = self._restore(checkpoint)
        self._trainer = self._make(saved)

    @property
    def folds(self) -> int:
        """How many parts the rows are cut into."""
        return self._spec.split.folds or 2

    @property
    def fold(self) -> int | None:
        """The fold in training, from 0; None for the final model."""
        return len(self._results) if len(self._results) < self.folds else None

    @property
    def executor_name(self) -> str:
        """Which executor trains."""
        return self._trainer.executor_name

    @property
    def numerics(self) -> str:
        """The arithmetic and its version."""
        return self._trainer.numerics

    @property
    def parameter_count(self) -> int:
        """Weights and biases of the network at hand."""
        return self._trainer.parameter_count

    @property
    def epoch(self) -> int:
        """Epochs done, over all trainings."""
        return self._epochs_before + self._trainer.epoch

    @property
    def epochs(self) -> int:
        """Epochs asked for, over all trainings."""
        return self._spec.training.epochs * (self.folds + 1)

    @property
    def steps_per_epoch(self) -> int:
        """Updates of the parameters in one epoch of the training at hand."""
        return self._trainer.steps_per_epoch

    @property
    def seconds(self) -> float:
        """Training seconds, over all trainings."""
        return self._seconds_before + self._trainer.seconds

    @property
    def stopped_by(self) -> str | None:
        """What ended the whole before its time: `max_seconds` or `request`."""
        return self._trainer.stopped_by if self._trainer.stopped_by != "early_stopping" else None

    @property
    def done(self) -> bool:
        """Whether `result` may be asked for."""
        return self._trainer.done and (self.fold is None or self.stopped_by is not None)

    def blocks(self, seconds: float = 0.15) -> Iterator[HistoryBlock]:
        """Trains fold after fold, yielding each chunk's history as Trainer does. Raises Diverged."""
        while True:
            try:
                for block in self._trainer.blocks(seconds):
                    yield self._shifted(block)
            except Diverged as error:
                raise Diverged(self._epochs_before + error.epoch) from None
            if self.done:
                return
            self._finish_fold()

    def _shifted(self, block: HistoryBlock) -> HistoryBlock:
        """The block among those of the other trainings; the final one has no validation's numbers."""
        columns, count = dict(block.columns), len(block)
        if self.fold is None:
            trained = [name for name in columns if name.startswith("train_")]
            held_back = {f"val_{name.removeprefix('train_')}": np.full(count, np.nan) for name in trained}
            columns = {name: columns.pop(name) for name in trained} | held_back | columns
        columns["fold"] = np.full(count, 0.0 if self.fold is None else self.fold + 1.0)
        return HistoryBlock(block.first_epoch + self._epochs_before, columns)

    def _finish_fold(self) -> None:
        """Keeps what the fold gave and begins the next training."""
        outcome, best = self._trainer.result(), self._trainer.best_epoch
        validation = outcome.metrics["validation"] or {}
        self._results.append(
            FoldResult(outcome.metrics["train"] or {}, validation, self._trainer.epoch, best)
        )
        self._epochs_before += self._trainer.epoch
        self._seconds_before += self._trainer.seconds
        self._trainer = self._make(None)

    def _make(self, checkpoint: bytes | None) -> Trainer:
        """The trainer of the fold that is next, or of the final model."""
        training, table = self._spec.training, self._table
        if training.max_seconds is not None:  # what the trainings before have left of it
            left = max(training.max_seconds - self._seconds_before, 1e-3)
            training = replace(training, max_seconds=left)
        column = None
        if self.fold is not None:
            column, table = FOLD_COLUMN, self._with_fold(self.fold)
        elif training.early_stopping is not None:
            best = round(statistics.median(result.best_epoch for result in self._results))
            training = replace(training, early_stopping=None, epochs=max(best, 1))
        split = Split(validation=0.0, stratify=self._spec.split.stratify, column=column)
        spec = replace(self._spec, split=split, training=training)
        return Trainer(spec, table, checkpoint, self._executor)

    def _with_fold(self, fold: int) -> Table:
        """The table with a column that is true for the rows that the fold holds back."""
        table, seed = self._table, self._spec.training.seed
        _, held_back = fold_rows(table.row_count, self.folds, fold, seed, strata(self._spec, table))
        is_held_back = np.zeros(table.row_count)
        is_held_back[held_back] = 1.0
        return Table((*table.columns, Column(FOLD_COLUMN, "boolean", is_held_back)), table.row_count)

    def stop(self, reason: str = "request") -> None:
        """Ends where it stands: the model is then that of the training under way."""
        self._trainer.stop(reason)

    def snapshots(self, *, last: bool = False) -> None:
        """None: of a cross-validation no way is kept."""

    def forget_snapshots(self) -> None:
        """There are none."""

    def checkpoint(self) -> bytes:
        """Where the cross-validation stands, as bytes."""
        facts = {
            "results": [asdict(result) for result in self._results],
            "epochs_before": self._epochs_before,
            "seconds_before": self._seconds_before,
        }
        inner = np.frombuffer(self._trainer.checkpoint(), dtype=np.uint8)
        return save({"trainer": inner}, metadata={"folds": orjson.dumps(facts).decode()})

    def _restore(self, data: bytes) -> bytes:
        """Takes up what a checkpoint says of the folds done; gives the trainer's own checkpoint."""
        try:
            facts = orjson.loads(safetensors_metadata(data)["folds"])
            self._results = [FoldResult(**result) for result in facts["results"]]
            self._epochs_before, self._seconds_before = facts["epochs_before"], facts["seconds_before"]
            return load(data)["trainer"].tobytes()
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadModel.because(f"the checkpoint is corrupt: {error}", code="corrupt") from None

    def result(self) -> Outcome:
        """The final model. Its validation metrics are the folds' means; each fold's own stand beside them."""
        outcome = self._trainer.result()
        metrics: dict[str, Any] = {
            "train": outcome.metrics["train"],
            "validation": _over_folds(self._results, statistics.fmean),
            "validation_std": _over_folds(self._results, statistics.pstdev),
            "folds": [asdict(result) for result in self._results],
        }
        return Outcome(replace(outcome.model, spec=self._spec), metrics)


def _over_folds(results: list[FoldResult], summarize: Any) -> Metrics | None:
    """Each validation metric over the folds; None where a fold has none."""
    if not results:
        return None
    found: Metrics = {}
    for name in results[0].validation:
        values = [result.validation[name] for result in results]
        known = [value for value in values if value is not None]
        found[name] = summarize(known) if len(known) == len(values) else None
    return found
