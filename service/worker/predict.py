"""One claim on a batch prediction: a dataset through a model into a file, from the start until its end."""

import time
from functools import partial
from typing import Any

from engine.data.profile import Profile
from engine.data.stored import StoredTable
from engine.errors import BadModel
from engine.models.batches import ROWS_AT_ONCE, BatchPrediction
from engine.models.model import TrainedModel
from service.storage import MissingBytes
from service.tables import claims, datasets, models
from service.tables.claims import Claimed, Progress
from service.telemetry import get_logger
from service.worker.bench import Bench

SAVE_SECONDS = 0.5  # between two looks at the flags; each is a progress transaction too

_log = get_logger(__name__)


class Prediction:
    """The work of one claim. Interrupted it begins anew: the output is there as a whole or not at all."""

    def __init__(self, bench: Bench, claimed: Claimed) -> None:
        if claimed.dataset_sha256 is None:
            raise MissingBytes(f"dataset {claimed.dataset_id} is gone")
        self._bench, self._claimed = bench, claimed
        self._began = self._saved_at = time.monotonic()
        self._saved_rows = 0
        self._digest = claimed.dataset_sha256

    def _model(self, model_id: str) -> TrainedModel:
        with self._bench.database.reading() as db:
            data = models.parameters(db, model_id)
        if data is None:
            raise BadModel.because(f"model {model_id} is gone", code="gone")
        return TrainedModel.from_bytes(data)

    def run(self) -> None:
        """Writes the output and ends the job. Raises LostLease and what the engine raises."""
        try:
            rows, size = self._write()
        except _Interrupted as interruption:
            if interruption.reason == "cancel":
                self._persist(claims.cancel, progress=None)
            elif self._persist(claims.release, reason=interruption.reason):
                self._bench.broker.send(self._claimed.job_id)
            _log.info("interrupted", reason=interruption.reason)
            return
        if self._persist(claims.complete, progress=self._progress(rows, {"rows": rows, "bytes": size})):
            _log.info("succeeded", rows=rows)
        else:
            self._persist(claims.cancel, progress=None)

    def _write(self) -> tuple[int, int]:
        """Writes the whole output; its rows and bytes. Raises _Interrupted, and then nothing of it stays."""
        rows = size = 0
        spec, model = self._claimed.spec, self._model(self._claimed.spec["model_id"])
        storage, job_id = self._bench.storage, self._claimed.job_id
        with storage.open(self._digest) as data, storage.outputs.writing(job_id) as file:
            tables = StoredTable(data, self._profile()).parts(ROWS_AT_ONCE)
            inert = spec.get("formulas") != "exact"
            prediction = BatchPrediction(model, tables, spec["format"], tuple(spec["columns"]), inert=inert)
            for rows, part in prediction.parts():
                file.write(part)
                size += len(part)
                if self._bench.stopping.is_set():
                    raise _Interrupted("shutdown")
                if time.monotonic() - self._saved_at > SAVE_SECONDS:
                    self._save(rows)
        return rows, size

    def _profile(self) -> Profile | None:
        with self._bench.database.reading() as db:
            dataset = datasets.find(db, self._claimed.owner, str(self._claimed.dataset_id))
        return None if dataset is None else Profile.from_document(dataset.profile)

    def _save(self, rows: int) -> None:
        progress, lease = self._progress(rows, {"rows": rows}), self._bench.settings.lease_seconds
        flags = self._persist(claims.save_progress, progress=progress, lease_seconds=lease)
        self._bench.heart.renewed()
        self._saved_at, self._saved_rows = time.monotonic(), rows
        if flags.cancel:
            raise _Interrupted("cancel")

    def _persist(self, write: Any, **values: Any) -> Any:
        return self._bench.database.persist(partial(write, claimed=self._claimed, **values))

    def _progress(self, rows: int, latest: dict[str, Any]) -> Progress:
        return Progress(
            since=self._saved_rows,
            epoch=rows,
            seconds=time.monotonic() - self._began,
            blocks=[],
            checkpoint=None,
            latest=latest,
            executor="predictor",
            numerics="any",
        )


class _Interrupted(Exception):
    """The work stops here, for a `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
