"""One look at the whole house for all who watch it, at most once a second. Knows no request."""

import threading
import time
from dataclasses import dataclass

from service.presence import Crew, Presence
from service.tables import figures, schema
from service.tables.base import Database, is_transient
from service.tables.figures import Figures

FRESH_SECONDS = 1.0  # so many watchers cost no more than one


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one moment."""

    revision: str | None  # of the database; None when it is away or empty
    figures: Figures | None  # None when the database is away, or of another version
    crew: Crew | None  # None when the broker is away


class Lookout:
    """Looks at database and broker for all who ask; for any number of threads."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database, self._presence = database, presence
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._until = 0.0

    def look(self) -> Seen:
        """What is seen now, or was within the last second."""
        with self._lock:
            if self._seen is None or time.monotonic() >= self._until:
                self._seen = Seen(*self._look_at_database(), self._presence.crew())
                self._until = time.monotonic() + FRESH_SECONDS
            return self._seen

    def _look_at_database(self) -> tuple[str | None, Figures | None]:
        revision = None
        try:
            revision = schema.revision(self._database)
            schema.require_current(self._database)
            with self._database.reading() as db:
                return revision, figures.read(db)
        except schema.OutdatedSchema:
            return revision, None
        except Exception as error:
            if not is_transient(error):
                raise
            return None, None
