"""One claim on the validation of a large upload: its bytes become Parquet and a profile, or a refusal."""

from functools import partial
from io import SEEK_END
from typing import Any

from engine.data.reading.formats import convert
from engine.data.reading.options import Reading
from engine.errors import BadData
from service.decoding.decoder import DECODED_ELSEWHERE
from service.storage import MissingBytes
from service.tables import claims, datasets
from service.tables.base import Transaction
from service.tables.claims import Claimed, Progress
from service.telemetry import get_logger
from service.worker.bench import Bench

_log = get_logger(__name__)


class Validation:
    """The work of one claim; interrupted it begins anew."""

    def __init__(self, bench: Bench, claimed: Claimed) -> None:
        if claimed.dataset_sha256 is None:
            raise MissingBytes(f"dataset {claimed.dataset_id} is gone")
        self._bench, self._claimed, self._upload = bench, claimed, claimed.dataset_sha256
        self._storage = bench.storage

    def run(self) -> None:
        """Validates the upload and ends the job. Raises LostLease, and BadData for a file that is refused."""
        spec = self._claimed.spec
        reading = Reading(spec["types"], frozenset(spec["nulls"]))
        try:
            with self._storage.open(self._upload) as file, self._storage.draft() as draft:
                bounds = self._bench.settings.data_bounds()
                decode = self._bench.decoder.convert if spec["media_type"] in DECODED_ELSEWHERE else convert
                profile = decode(file, spec["media_type"], draft.file, bounds, reading)
                size, digest = draft.file.seek(0, SEEK_END), draft.keep()
        except BadData:
            self._forget_upload()
            raise
        accept = partial(self._accept, profile=profile.to_document(), sha256=digest, size=size)
        if not self._bench.database.persist(accept):
            self._bench.database.persist(partial(claims.cancel, claimed=self._claimed, progress=None))
        self._forget_upload()
        _log.info("validated", rows=profile.row_count)

    def _accept(self, db: Transaction, **facts: Any) -> bool:
        """The dataset and the job in one transaction; False when a cancel came first."""
        if not claims.complete(db, self._claimed, _DONE):
            return False
        datasets.accept(db, self._claimed.dataset_id, **facts)
        return True

    def _forget_upload(self) -> None:
        with self._bench.database.reading() as db:
            needed = datasets.in_use_elsewhere(db, self._upload, self._claimed.dataset_id)
        if not needed:
            self._storage.delete(self._upload)


_DONE = Progress(
    since=0,
    epoch=1,
    seconds=0.0,
    blocks=[],
    checkpoint=None,
    latest=None,
    executor="reader",
    numerics="any",
)
