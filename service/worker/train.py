"""One claim on a job: train from its checkpoint until its end, the end of the slice, or a flag."""

import time
import uuid
from functools import partial
from typing import Any

from engine.data.table import Table
from engine.errors import BadData, BadModel, BadSpec, Diverged, EngineError
from engine.spec import TrainingSpec
from engine.training.cross_validation import CrossValidation
from engine.training.history import HistoryBlock
from engine.training.snapshots import Budget, Snapshots
from engine.training.trainer import Trainer
from service.storage import DamagedBytes, MissingBytes
from service.tables import claims, datasets, jobs
from service.tables.base import DatabaseError, is_transient
from service.tables.claims import Claimed, Flags, LostLease, Progress
from service.tables.history import Block
from service.tables.snapshots import SnapshotBlock
from service.telemetry import bound_contextvars, get_logger
from service.worker.bench import Bench

BLOCK_ROWS = 4096  # a reader of one row unpacks no more than so many

_log = get_logger(__name__)
_NOTHING_ASKED = Flags(cancel=False, stop=False)


def work(bench: Bench) -> str | None:
    """Takes the job that is next and works on it for a slice at most; its id, or None when nothing waits."""
    take = partial(
        claims.claim_next,
        worker=bench.name,
        claim_id=uuid.uuid4().hex,
        lease_seconds=bench.settings.lease_seconds,
        declined=frozenset(bench.declined),
    )
    claimed = bench.database.persist(take)
    if claimed is None:
        return None
    with bound_contextvars(job_id=claimed.job_id, claim=claimed.claim):
        bench.heart.begin(claimed)
        try:
            _train(bench, claimed)
        except LostLease:
            _log.warning("lease lost: another worker has the job, nothing more is written")
        finally:
            bench.heart.end()
    return claimed.job_id


def _train(bench: Bench, claimed: Claimed) -> None:
    training: Training | None = None
    try:
        training = Training(bench, claimed)
        training.run()
    except LostLease:
        raise
    except BadModel as error:
        if error.problems[0].code == "wrong_numerics":
            _decline(bench, claimed)
        else:
            _fail(bench, claimed, _engine_problem(error), None)
    except Exception as error:
        if is_transient(error):
            raise  # nothing can be written now: the lease ends, and the sweeper gives the job back
        problem = _problem(error)
        if problem["code"] == "internal_error":
            _log.exception("the training broke")
        _fail(bench, claimed, problem, training.history_only() if training else None)


def _fail(bench: Bench, claimed: Claimed, problem: dict[str, Any], progress: Progress | None) -> None:
    bench.database.persist(partial(claims.fail, claimed=claimed, error=problem, progress=progress))
    _log.info("failed", code=problem["code"])


def _decline(bench: Bench, claimed: Claimed) -> None:
    """Leaves a job to the workers with the numerics that it was begun with: one job, one arithmetic."""
    bench.declined.add(str(claimed.numerics))
    bench.database.persist(partial(claims.release, claimed=claimed, reason="other_numerics"))
    _log.warning("left to a worker with other numerics", numerics=claimed.numerics)


class Training:
    """The work of one claim."""

    def __init__(self, bench: Bench, claimed: Claimed) -> None:
        if claimed.dataset_sha256 is None:
            raise MissingBytes(f"dataset {claimed.dataset_id} is gone")
        self._bench, self._claimed = bench, claimed
        self._began = self._saved_at = self._looked_at = time.monotonic()
        self._saved_once = False
        self._pending: list[HistoryBlock] = []
        spec = TrainingSpec.from_document(claimed.spec)
        table = bench.tables.get(claimed.dataset_sha256)
        self._trainer = _trainer(bench, claimed, spec, table)
        self._saved_epoch = self._trainer.epoch

    def run(self) -> None:
        """Trains until the job, or this claim on it, is over. Raises LostLease and what the engine raises."""
        for block in self._trainer.blocks(self._bench.settings.chunk_seconds):
            self._pending.append(block)
            if self._trainer.done:
                break
            flags = self._look()
            if flags.cancel:
                self._cancel()
                return
            if flags.stop:
                self._trainer.stop()
                break
            if reason := self._reason_to_give_back():
                self._give_back(reason)
                return
        self._finish()

    def history_only(self) -> Progress | None:
        """The rows not saved yet, without a checkpoint: after a failure no state is to be trusted."""
        return self._progress(checkpoint=False) if self._pending else None

    def _look(self) -> Flags:
        """Saves progress when it is due, and sees what users have asked for meanwhile."""
        settings, now = self._bench.settings, time.monotonic()
        if now - self._looked_at < settings.chunk_seconds / 2:
            return _NOTHING_ASKED  # the first chunks are short: no look for each
        self._looked_at = now
        due = settings.progress_seconds if self._saved_once else settings.first_progress_seconds
        if now - self._saved_at >= due:
            return self._save()
        try:
            with self._bench.database.reading() as db:
                return claims.read_flags(db, self._claimed)
        except DatabaseError as error:
            if not is_transient(error):
                raise
            return _NOTHING_ASKED  # training goes on without the database until progress is due

    def _save(self) -> Flags:
        lease = self._bench.settings.lease_seconds
        progress = self._progress()
        save = partial(claims.save_progress, claimed=self._claimed, progress=progress, lease_seconds=lease)
        flags = self._bench.database.persist(save)
        self._bench.heart.renewed()
        self._pending.clear()
        self._trainer.forget_snapshots()
        self._saved_at, self._saved_once = time.monotonic(), True
        self._saved_epoch = progress.epoch
        return flags

    def _reason_to_give_back(self) -> str | None:
        if self._bench.stopping.is_set():
            return "shutdown"
        if time.monotonic() - self._began < self._bench.settings.slice_seconds:
            return None
        if self._bench.database.persist(jobs.any_queued):
            return "slice"
        self._began = time.monotonic()  # nobody waits: another slice
        return None

    def _give_back(self, reason: str) -> None:
        if self._save().cancel:
            self._cancel()
            return
        self._release(reason)
        _log.info("given back", reason=reason, epoch=self._trainer.epoch)

    def _release(self, reason: str) -> None:
        release = partial(claims.release, claimed=self._claimed, reason=reason)
        if self._bench.database.persist(release):
            self._bench.broker.send(self._claimed.job_id)

    def _cancel(self) -> None:
        progress = self._progress(last=True)
        self._bench.database.persist(partial(claims.cancel, claimed=self._claimed, progress=progress))
        _log.info("canceled", epoch=self._trainer.epoch)

    def _finish(self) -> None:
        # Nobody resumes what has succeeded: the last state is the model, no checkpoint.
        progress, model = self._progress(checkpoint=False, last=True), self._model()
        finish = partial(claims.succeed, claimed=self._claimed, progress=progress, model=model)
        if self._bench.database.persist(finish) is None:
            self._cancel()
            return
        _log.info("succeeded", epoch=self._trainer.epoch, seconds=round(self._trainer.seconds, 3))

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

    def _progress(self, *, checkpoint: bool = True, last: bool = False) -> Progress:
        return Progress(
            since=self._saved_epoch,
            epoch=self._trainer.epoch,
            seconds=self._trainer.seconds,
            blocks=_pack(self._pending),
            latest=_last_row(self._pending[-1]) if self._pending else None,
            checkpoint=self._trainer.checkpoint() if checkpoint else None,
            executor=self._trainer.executor_name,
            numerics=self._trainer.numerics,
            snapshots=_pack_snapshots(self._trainer.snapshots(last=last)),
        )


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
    )


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


def _cut(block: HistoryBlock, start: int, stop: int) -> HistoryBlock:
    columns = {name: values[start:stop] for name, values in block.columns.items()}
    return HistoryBlock(first_epoch=block.first_epoch + start, columns=columns)


def _pack(blocks: list[HistoryBlock]) -> list[Block]:
    if not blocks:
        return []
    whole = HistoryBlock.concatenate(blocks)
    parts = (_cut(whole, start, start + BLOCK_ROWS) for start in range(0, len(whole), BLOCK_ROWS))
    return [Block(part.first_epoch, part.first_epoch + len(part) - 1, part.to_bytes()) for part in parts]


def _pack_snapshots(taken: Snapshots | None) -> SnapshotBlock | None:
    if taken is None:
        return None
    return SnapshotBlock(taken.epochs[0], taken.epochs[-1], len(taken.epochs), taken.to_bytes())


def _last_row(block: HistoryBlock) -> dict[str, Any]:
    return next(block.rows(len(block) - 1))


def _problem(error: Exception) -> dict[str, Any]:
    """What users are told of an error; nothing of this host's inside."""
    match error:
        case Diverged():
            first = error.problems[0]
            return {"code": "diverged", "detail": first.detail, "hint": first.hint, "epoch": error.epoch}
        case MissingBytes() | DamagedBytes():
            return {"code": "dataset_unreadable", "detail": str(error), "hint": "Upload the dataset again."}
        case BadSpec() | BadData():
            return _engine_problem(error)
        case MemoryError():
            hint = "Try a smaller model, batch or dataset."
            return {"code": "out_of_memory", "detail": "the worker's memory did not suffice", "hint": hint}
    detail = f"the training ended with an unexpected {type(error).__name__}"
    return {
        "code": "internal_error",
        "detail": detail,
        "hint": "The worker's log says more under this job's id.",
    }


def _engine_problem(error: EngineError) -> dict[str, Any]:
    code = {BadSpec: "bad_spec", BadData: "bad_data", BadModel: "bad_checkpoint"}[type(error)]
    problems = [
        {"pointer": each.pointer, "code": each.code, "detail": each.detail} for each in error.problems
    ]
    return {"code": code, "detail": str(error), "hint": error.problems[0].hint, "errors": problems}
