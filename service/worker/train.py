"""One claim on a job: train from its checkpoint until its end, the end of the slice, or a flag."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import orjson

from engine.data.table import Table
from engine.errors import BadSpec
from engine.models.model import TrainedModel
from engine.spec import TrainingSpec
from engine.training.cross_validation import CrossValidation
from engine.training.records.history import HistoryBlock
from engine.training.records.snapshots import Budget
from engine.training.trainer import Trainer
from service.storage import MissingBytes
from service.tables import claims, datasets, models, queue
from service.tables.batches import Ending
from service.tables.claims import Claimed, Flags, Progress
from service.worker.bench import Bench
from service.worker.logbook import NOTHING_ASKED, Logbook
from service.worker.problems import UnreadableSpec


def _nothing() -> None:
    """Once is enough."""


class Training:
    """The work of one claim; `on_first_look` is called once, should it take longer than a chunk."""

    def __init__(self, bench: Bench, claimed: Claimed, on_first_look: Callable[[], None]) -> None:
        if claimed.dataset_sha256 is None:
            raise MissingBytes(f"dataset {claimed.dataset_id} is gone")
        self._bench, self._claimed = bench, claimed
        self._on_first_look = on_first_look
        self._began = self._looked_at = time.monotonic()
        spec = _read_spec(claimed.spec)
        table = bench.tables.get(claimed.dataset_sha256)
        self._trainer = _trainer(bench, claimed, spec, table)
        self._logbook = Logbook(bench, claimed, self._trainer)
        self._counted_seconds = self._trainer.seconds

    def run(self) -> Ending | None:
        """Trains until the job, or this claim on it, is over; what is to be written if the job is trained.

        Raises LostLease and what the engine raises.
        """
        for block in self._trainer.blocks(self._bench.settings.chunk_seconds):
            self._logbook.add(block)
            self._count(block)
            if self._trainer.done:
                break
            flags = self._look()
            if flags.cancel:
                self._cancel()
                return None
            if flags.stop:
                self._trainer.stop()
                break
            if self._trainer.seconds >= self._bench.settings.max_seconds:
                self._trainer.stop("max_seconds")  # a spec may leave it out, but a job never trains for ever
                break
            if reason := self._reason_to_give_back():
                self._give_back(reason)
                return None
        # Nobody resumes what has succeeded: the last state is the model, no checkpoint.
        return Ending(self._claimed, self._logbook.rest(checkpoint=False, last=True), self._model())

    def _count(self, block: HistoryBlock) -> None:
        tally = self._bench.tally
        tally.steps += len(block) * self._trainer.steps_per_epoch
        tally.seconds += self._trainer.seconds - self._counted_seconds
        self._counted_seconds = self._trainer.seconds

    def rows_only(self) -> Progress | None:
        """What a job that failed leaves of its history. Raises LostLease."""
        return self._logbook.rows_only()

    def _look(self) -> Flags:
        """Lets progress be saved when it is due, and sees what users have asked for meanwhile."""
        now = time.monotonic()
        if now - self._looked_at < self._bench.settings.chunk_seconds / 2:
            return NOTHING_ASKED  # the first chunks are short: no look for each
        self._looked_at = now
        self._on_first_look()
        self._on_first_look = _nothing
        return self._logbook.look()

    def _reason_to_give_back(self) -> str | None:
        if self._bench.stopping.is_set():
            return "shutdown"
        if time.monotonic() - self._began < self._bench.settings.slice_seconds:
            return None
        if self._bench.database.persist(queue.any_waits):
            return "slice"
        self._began = time.monotonic()  # nobody waits: another slice
        return None

    def _give_back(self, reason: str) -> None:
        if self._logbook.save().cancel:
            self._cancel()
            return
        self._release(reason)

    def _release(self, reason: str) -> None:
        release = partial(claims.release, claimed=self._claimed, reason=reason)
        if self._bench.database.persist(release):
            self._bench.broker.send(self._claimed.job_id)

    def _cancel(self) -> None:
        progress = self._logbook.rest(checkpoint=True, last=True)
        self._bench.database.persist(partial(claims.cancel, claimed=self._claimed, progress=progress))

    def _model(self) -> dict[str, Any]:
        outcome = self._trainer.result()
        model = outcome.model
        return {
            "name": self._claimed.spec["model"]["name"],
            "dataset_sha256": self._claimed.dataset_sha256,
            "sha256": model.sha256,
            "parameter_count": model.parameter_count,
            "spec": self._claimed.spec,
            "metrics": outcome.metrics,
            "inputs": [_input_document(each) for each in model.inputs],
            "classes": None if model.classes is None else list(model.classes),
            "parameters": model.to_bytes(),
        }


def _trainer(bench: Bench, claimed: Claimed, spec: TrainingSpec, table: Table) -> Trainer | CrossValidation:
    """What carries the spec out, from the job's checkpoint."""
    if spec.split.folds is not None:
        return CrossValidation(spec, table, claimed.checkpoint, claimed.executor)
    return Trainer(
        spec,
        table,
        checkpoint=claimed.checkpoint,
        executor=claimed.executor,
        validation=_validation_table(bench, claimed.owner, spec.split.dataset_id),
        budget=Budget(bench.settings.replay_snapshots, bench.settings.replay_bytes),
        start=_start(bench, claimed.owner, spec.init_from),
    )


def _start(bench: Bench, owner: str, model_id: str | None) -> TrainedModel | None:
    """The model that the training goes on from; None where there is none, or none any more."""
    if model_id is None:
        return None
    with bench.database.reading() as db:
        model = models.find(db, owner, model_id)
        data = None if model is None else models.parameters(db, model.id)
    return None if data is None else TrainedModel.from_bytes(data)


def _read_spec(document: dict[str, Any]) -> TrainingSpec:
    try:
        return _spec_of(orjson.dumps(document))
    except BadSpec as error:
        raise UnreadableSpec(str(error)) from error


@lru_cache(maxsize=16)
def _spec_of(document: bytes) -> TrainingSpec:
    """The same spec comes again, with other data or after a slice; to read one takes 0.3 ms."""
    return TrainingSpec.from_document(orjson.loads(document))


def _validation_table(bench: Bench, owner: str, dataset_id: str | None) -> Table | None:
    """The table of a second dataset, where the split names one. Raises MissingBytes."""
    if dataset_id is None:
        return None
    with bench.database.reading() as db:
        dataset = datasets.find(db, owner, dataset_id)
    if dataset is None:
        raise MissingBytes(f"dataset {dataset_id} is gone")
    return bench.tables.get(dataset.sha256)


def _input_document(each: Any) -> dict[str, Any]:
    return {
        "name": each.name,
        "type": each.type,
        "categories": list(each.known) if each.known else None,
    }
