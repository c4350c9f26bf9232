"""The live keys in this process's memory: a request costs no look into the database. Knows no HTTP.

All of them are kept, not the ones last seen, so that a wrong key costs no more than a right one: a hundred
thousand guesses a minute reach no database. Once a second, if anybody asks, a count tells whether a key was
made or revoked since.
"""

import logging
import threading
import time
from dataclasses import dataclass
from hmac import compare_digest

from service.errors import ServiceError
from service.scopes import Scope
from service.tables import keys
from service.tables.base import Database, DatabaseError, is_transient
from service.tables.keys import LiveKey

FRESH_SECONDS = 1.0  # so long may a revoked key still open
NEW_SECONDS = 0.1  # so long may a new key not open yet; wrong keys cause no more looks than that
NOTED_SECONDS = 60.0  # so coarse is `last used`
AWAY_SECONDS = 1.0  # so long nobody asks a database that did not answer
NOTING = "key-uses"  # the thread that writes them down
_SHELF = 16  # characters of a digest that find it; the others are compared in constant time

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is, and what it may do."""

    key_id: str
    owner: str
    scope: Scope


class Keyring:
    """Finds keys by their secret; for any number of threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._shelves: dict[str, tuple[LiveKey, Identity]] = {}
        self._revision: tuple[int, int] | None = None
        self._looked_at, self._away_until = float("-inf"), 0.0
        self._used: set[str] = set()
        self._note_at = 0.0

    def find(self, secret: str) -> Identity | None:
        """The identity that a secret stands for; None for a wrong, expired or revoked one.

        Raises ServiceError, or what the database raises, while nobody can say.
        """
        self._refresh(FRESH_SECONDS)
        digest = keys.digest_of(secret)
        found = self._shelves.get(digest[:_SHELF])
        if found is None:
            self._refresh(NEW_SECONDS)  # it may have been made just now
            found = self._shelves.get(digest[:_SHELF])
        if found is None or not compare_digest(found[0].digest, digest):
            return None
        key, identity = found
        if key.expires_at is not None and time.time() >= key.expires_at:
            return None
        self._used.add(key.id)
        return identity

    def _refresh(self, seconds: float) -> None:
        """Looks into the database unless somebody has done so within `seconds`."""
        if time.monotonic() < self._looked_at + seconds:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._looked_at + seconds:
                return  # another thread was quicker
            if now < self._away_until:
                again = {"Retry-After": "1"}
                raise ServiceError("unavailable", "the database does not answer", headers=again)
            self._away_until = now + AWAY_SECONDS
            self._read()
            self._away_until, self._looked_at = 0.0, now
            self._note_uses(now)

    def _read(self) -> None:
        with self._database.reading() as db:
            revision = keys.revision(db)
            if revision == self._revision:
                return
            live = keys.live(db)
        self._shelves = {key.digest[:_SHELF]: (key, Identity(key.id, key.owner, key.scope)) for key in live}
        self._revision = revision

    def _note_uses(self, now: float) -> None:
        if self._used and now >= self._note_at:
            self._note_at = now + NOTED_SECONDS
            used, self._used = self._used, set()
            # Beside the request: a write may have to wait for its turn.
            threading.Thread(target=self._note, args=(sorted(used),), name=NOTING, daemon=True).start()

    def _note(self, used: list[str]) -> None:
        try:
            with self._database.session() as db:
                keys.note_use(db, used)
        except DatabaseError as error:
            if not is_transient(error):
                raise
            _log.warning("when keys were used could not be noted: the database is away or busy")
