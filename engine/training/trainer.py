"""One training from spec and table to model: runs in chunks, stops anywhere, resumes exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import orjson

from engine.data.table import Table
from engine.errors import BadModel, Diverged
from engine.execution.choice import make_executor
from engine.execution.plan import Progress, State
from engine.models.model import TrainedModel
from engine.spec.sections import TrainingSpec
from engine.spec.versions import essential
from engine.training.metrics import Metrics, final_metrics
from engine.training.preparation import prepare
from engine.training.records.checkpoint import Checkpoint
from engine.training.records.history import HistoryBlock
from engine.training.records.snapshots import Budget, Recorder, Snapshots


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training leaves."""

    model: TrainedModel
    metrics: dict[str, Metrics | None]


class Trainer:
    """A training that the caller drives: it yields, and the caller keeps the clock.

    "10 epochs" equals "3 epochs, a checkpoint, 7 epochs from it", bit for bit.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        table: Table,
        checkpoint: bytes | None = None,
        executor: str | None = None,
        *,
        validation: Table | None = None,
        budget: Budget | None = None,
        start: TrainedModel | None = None,
    ) -> None:
        """Prepares the data and, from a checkpoint, goes on where it stood.

        `validation` is the table of the spec's `split.dataset_id`, where it names one; `start` is the model
        of its `init_from`; `budget` says how much of the way is kept in snapshots, without one nothing.
        Raises BadData where a table does not allow it, and BadModel for a checkpoint that is corrupt,
        from another training, or from other numerics.
        """
        self._spec = spec
        self._prepared = prepare(spec, table, validation, start)
        self._plan = self._prepared.plan
        saved = Checkpoint.from_bytes(checkpoint) if checkpoint is not None else None
        state = saved.state if saved else State.initial(self._plan, self._prepared.initial_parameters)
        if len(state.parameters) != self._plan.parameter_count:
            raise BadModel.because("the checkpoint is of a network of another shape", code="wrong_checkpoint")
        self._executor = make_executor(self._plan, state, executor)
        self._fingerprint = self._digest()
        if saved is not None:
            self._check(saved)
        self.seconds = saved.seconds if saved else 0.0
        self._stopped_by = saved.stopped_by if saved else None
        self._recorder = Recorder(self._plan.epochs, state, budget) if budget else None

    def _digest(self) -> str:
        """The digest of spec and encoded rows: a checkpoint of others is refused."""
        said = essential(self._spec.to_document())  # a member that joins the spec must not make it another
        digest = sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
        for rows in filter(None, (self._plan.train, self._plan.validation)):
            digest.update(np.ascontiguousarray(rows.x).data)
            digest.update(np.ascontiguousarray(rows.targets).data)
        return digest.hexdigest()

    def _check(self, saved: Checkpoint) -> None:
        if saved.fingerprint != self._fingerprint:
            raise BadModel.because("the checkpoint is of another spec or other data", code="wrong_checkpoint")
        if saved.numerics != self.numerics:
            raise BadModel.because(
                f"the checkpoint was made by {saved.numerics}, this is {self.numerics}", code="wrong_numerics"
            )

    @property
    def executor_name(self) -> str:
        """Which executor trains."""
        return self._executor.name

    @property
    def numerics(self) -> str:
        """The arithmetic and its version: only the same one may go on with a job."""
        return self._executor.numerics

    @property
    def parameter_count(self) -> int:
        """Weights and biases of the network."""
        return self._plan.parameter_count

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._executor.epoch

    @property
    def epochs(self) -> int:
        """Epochs asked for."""
        return self._plan.epochs

    @property
    def steps_per_epoch(self) -> int:
        """Updates of the parameters in one epoch."""
        return self._plan.steps_per_epoch

    @property
    def best_epoch(self) -> int:
        """The epoch that was best by the metric watched, counted from 1; without early stopping the last."""
        best = self._executor.best_epoch if self._plan.early_stopping else 0
        return best or self.epoch

    @property
    def stopped_by(self) -> str | None:
        """What ended the training before its last epoch: `early_stopping`, `max_seconds`, `request`."""
        if self._stopped_by is None and self._is_over and self.epoch < self.epochs:
            return "early_stopping"
        return self._stopped_by

    @property
    def done(self) -> bool:
        """Whether `result` may be asked for."""
        return self._stopped_by is not None or self._is_over

    @property
    def _is_over(self) -> bool:
        return self._plan.is_over(self.epoch, self._executor.best_epoch)

    def blocks(self, seconds: float = 0.15) -> Iterator[HistoryBlock]:
        """Trains to the end in chunks of about `seconds`, yielding each chunk's history.

        After each block the checkpoint is the state after the block's last epoch. How the epochs fall
        into chunks changes no bit of them. Raises Diverged after the block before the bad epoch.
        """
        epochs = 1
        while not self.done:
            first, before = self.epoch + 1, self.seconds
            progress = self._run(epochs)
            if len(progress.rows):
                yield HistoryBlock(first, dict(zip(self._plan.columns, progress.rows.T.copy(), strict=True)))
            if progress.diverged is not None:
                raise Diverged(progress.diverged)
            self._enforce_deadline()
            epochs = self._next_chunk(epochs, self.seconds - before, seconds)

    def _run(self, epochs: int) -> Progress:
        """Trains a chunk, and keeps the states on its way of which a snapshot is planned."""
        recorder, executor, epoch = self._recorder, self._executor, self.epoch
        if recorder is None:
            return self._train(epochs)
        rows, last = [], epoch + epochs
        while True:
            progress = self._train(min(last, recorder.next_after(epoch)) - epoch)
            rows.append(progress.rows)
            if progress.diverged is not None:
                break
            epoch = executor.epoch
            if recorder.is_due(epoch):
                recorder.record(executor.state)  # else it is not even read
            if epoch >= last or self._plan.is_over(epoch, executor.best_epoch):
                break
        return Progress(np.concatenate(rows), progress.diverged)

    def _train(self, epochs: int) -> Progress:
        started = time.perf_counter()
        progress = self._executor.run(epochs)
        self.seconds += time.perf_counter() - started  # of training alone: what is kept of it costs its own
        return progress

    def _enforce_deadline(self) -> None:
        deadline = self._spec.training.max_seconds
        if deadline is not None and self.seconds >= deadline and not self.done:
            self._stopped_by = "max_seconds"

    def _next_chunk(self, epochs: int, spent: float, seconds: float) -> int:
        """How many epochs will take about `seconds`, at most eight times as many as the last chunk."""
        deadline = self._spec.training.max_seconds
        wanted = seconds if deadline is None else min(seconds, max(deadline - self.seconds, 0.0))
        return max(1, min(int(epochs * wanted / max(spent, 1e-9)), 8 * epochs))

    def stop(self, reason: str = "request") -> None:
        """Ends the training where it stands: `result` may be asked for now."""
        if not self.done:
            self._stopped_by = reason

    def snapshots(self, *, last: bool = False) -> Snapshots | None:
        """What of the way is kept since `forget_snapshots`, with the state of now if it is the `last`."""
        if self._recorder is None:
            return None
        if last:
            self._recorder.record(self._executor.state, last=True)
        return self._recorder.pending(self.numerics)

    def forget_snapshots(self) -> None:
        """The snapshots given so far are safe elsewhere."""
        if self._recorder is not None:
            self._recorder.clear()

    def checkpoint(self) -> bytes:
        """Where the training stands, as bytes."""
        saved = Checkpoint(
            self._executor.state, self.numerics, self._fingerprint, self.seconds, self._stopped_by
        )
        return saved.to_bytes()

    def result(self) -> Outcome:
        """The model: of the best epoch where early stopping restores it, else as the last update left it."""
        state, stopping = self._executor.state, self._plan.early_stopping
        parameters = (
            state.best.parameters if stopping and stopping.restore_best and state.best else state.parameters
        )
        parameters = parameters.astype(np.float64)
        model = TrainedModel(self._spec, self._prepared.encoding, parameters)
        return Outcome(model, final_metrics(self._plan, parameters))
