"""The models that this process has decoded: immutable, so never stale; bounded in bytes. Knows no request."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from engine.training.model import TrainedModel
from engine.training.rows import RowReader
from service.tables import models
from service.tables.base import Database
from service.telemetry.metrics import MODELS_LOADED, MODELS_LOADED_BYTES

FRESH_SECONDS = 0.5  # so long may an answer lag behind a deletion or a moved name in another process
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to predict, and the reference's row as far as answers show it."""

    id: str
    version: int
    trained: TrainedModel
    reader: RowReader
    size: int


class LoadedModels:
    """Finds models by reference and keeps the ones last used; for any number of threads."""

    def __init__(self, database: Database, *, max_bytes: int = MAX_BYTES) -> None:
        self._database, self._max_bytes = database, max_bytes
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._seen: dict[tuple[str, str], tuple[float, Loaded]] = {}

    def find(self, owner: str, reference: str) -> Loaded | None:
        """The owner's model by id, name, name@version or name@alias; None where there is none."""
        seen = self._seen.get((owner, reference))
        if seen is not None and time.monotonic() < seen[0]:
            return seen[1]
        loaded = self._read(owner, reference)
        if loaded is None:
            self._seen.pop((owner, reference), None)
        else:
            self._remember((owner, reference), loaded)
        return loaded

    def forget(self, model_id: str) -> None:
        """A model was deleted: it answers no more."""
        with self._lock:
            self._loaded.pop(model_id, None)
            self._seen = {}
            self._tell_size()

    def forget_references(self) -> None:
        """A name or an alias was moved: which model a reference means is to be looked up anew."""
        with self._lock:
            self._seen = {}

    def _read(self, owner: str, reference: str) -> Loaded | None:
        with self._database.reading() as db:
            row = models.find(db, owner, reference)
            if row is None:
                return None
            with self._lock:
                if row.id in self._loaded:
                    self._loaded.move_to_end(row.id)
                    return self._loaded[row.id]
            data = models.parameters(db, row.id)
        if data is None:
            return None
        trained = TrainedModel.from_bytes(data)
        loaded = Loaded(row.id, row.version, trained, RowReader(trained.inputs), len(data))
        self._keep(loaded)
        return loaded

    def _keep(self, loaded: Loaded) -> None:
        with self._lock:
            self._loaded[loaded.id] = loaded
            while (
                len(self._loaded) > 1 and sum(each.size for each in self._loaded.values()) > self._max_bytes
            ):
                self._loaded.popitem(last=False)
            self._tell_size()

    def _tell_size(self) -> None:
        MODELS_LOADED.set(len(self._loaded))
        MODELS_LOADED_BYTES.set(sum(each.size for each in self._loaded.values()))

    def _remember(self, key: tuple[str, str], loaded: Loaded) -> None:
        with self._lock:
            if len(self._seen) > 10_000:
                self._seen.clear()
            self._seen[key] = (time.monotonic() + FRESH_SECONDS, loaded)


def is_fixed(reference: str, model_id: str) -> bool:
    """Says whether a reference names one version for ever: an id, or name@version, but no name@alias."""
    version = reference.rpartition("@")[2]
    return reference == model_id or ("@" in reference and version.isdigit())
