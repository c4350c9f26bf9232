"""The models that this process has decoded: immutable, so never stale; bounded in bytes. Knows no request."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from engine.models.model import TrainedModel
from engine.models.rows import RowReader
from service.tables import models
from service.tables.base import Database
from service.telemetry.metrics import MODELS_LOADED, MODELS_LOADED_BYTES

FRESH_SECONDS = 0.5  # so long may an answer lag behind a deletion or a moved name in another process
MAX_REFERENCES = 10_000
COPIES = 3  # of the parameters: as they were read, as the kernel wants them, transposed for gradients


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

    def __init__(self, database: Database, *, max_bytes: int) -> None:
        self._database, self._max_bytes = database, max_bytes
        self._lock, self._decoding = threading.Lock(), threading.Lock()
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        # Until when a reference is known to mean which id: it must not hold a model that has to go.
        self._seen: dict[tuple[str, str], tuple[float, str]] = {}
        self._changes = 0

    def find(self, owner: str, reference: str) -> Loaded | None:
        """The owner's model by id, name, name@version or name@alias; None where there is none."""
        fresh_until, model_id = self._seen.get((owner, reference), (0.0, ""))
        if time.monotonic() < fresh_until and (known := self._loaded.get(model_id)) is not None:
            return known
        changes = self._changes
        with self._database.reading() as db:
            row = models.find(db, owner, reference)
        loaded = None if row is None else self._current(row.id, row.version)
        with self._lock:
            if loaded is None:
                self._seen.pop((owner, reference), None)
            elif changes == self._changes:  # else it may have been deleted since the row was read
                if len(self._seen) > MAX_REFERENCES:
                    self._seen.clear()
                self._seen[owner, reference] = time.monotonic() + FRESH_SECONDS, loaded.id
        return loaded

    def forget(self, model_id: str) -> None:
        """A model was deleted: it answers no more."""
        with self._lock:
            self._loaded.pop(model_id, None)
            self._tell_size()
        self.forget_references()

    def forget_references(self) -> None:
        """A name or an alias was moved: which model a reference means is to be looked up anew."""
        with self._lock:
            self._seen = {}
            self._changes += 1

    def _current(self, model_id: str, version: int) -> Loaded | None:
        """The decoded model under the version that its row has now: a rename gives it another."""
        loaded = self._loaded.get(model_id)
        if loaded is None:
            with self._decoding:  # many may ask for the same one at once: it is decoded for the first
                loaded = self._loaded.get(model_id) or self._decoded(model_id, version)
        if loaded is not None:
            loaded = loaded if loaded.version == version else replace(loaded, version=version)
            self._keep(loaded)
        return loaded

    def _decoded(self, model_id: str, version: int) -> Loaded | None:
        with self._database.reading() as db:
            data = models.parameters(db, model_id)
        if data is None:
            return None
        trained = TrainedModel.from_bytes(data)
        return Loaded(model_id, version, trained, RowReader(trained.inputs), COPIES * len(data))

    def _keep(self, loaded: Loaded) -> None:
        with self._lock:
            self._loaded[loaded.id] = loaded
            self._loaded.move_to_end(loaded.id)
            while len(self._loaded) > 1 and self._size() > self._max_bytes:
                self._loaded.popitem(last=False)
            self._tell_size()

    def _size(self) -> int:
        return sum(each.size for each in self._loaded.values())

    def _tell_size(self) -> None:
        MODELS_LOADED.set(len(self._loaded))
        MODELS_LOADED_BYTES.set(self._size())


def is_fixed(reference: str, model_id: str) -> bool:
    """Says whether a reference names one version for ever: an id, or name@version, but no name@alias."""
    version = reference.rpartition("@")[2]
    return reference == model_id or ("@" in reference and version.isdigit())
