"""Keys in a process's memory: never late for long, never in the database's way."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from service.access import keyring
from service.access.keyring import Keyring
from service.errors import ServiceError
from service.scopes import Scope
from service.tables import keys
from service.tables.base import Database, DatabaseError
from service.tables.keys import Key
from tests.servers import eventually


@pytest.fixture
def database(database: Database) -> Iterator[Database]:
    """The database, closed only when no key's use is still being noted."""
    yield database
    for thread in threading.enumerate():
        if thread.name == keyring.NOTING:
            thread.join()


def _made(database: Database, **options: Any) -> tuple[str, str]:
    with database.session() as db:
        key, secret = keys.add(db, **{"owner": "alice", "scope": Scope.READ, "most": 10, **options})
        return key.id, secret


def test_a_secret_leads_to_its_owner_and_scope(database: Database) -> None:
    key_id, secret = _made(database)
    found = Keyring(database).find(secret)
    assert found is not None
    assert (found.key_id, found.owner, found.scope) == (key_id, "alice", Scope.READ)


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "0", str.upper, lambda s: s[::-1], lambda s: ""]
)
def test_what_is_not_quite_the_secret_opens_nothing(database: Database, change: Any) -> None:
    _, secret = _made(database)
    assert Keyring(database).find(change(secret)) is None


def test_a_digest_that_shares_its_shelf_opens_nothing(database: Database) -> None:
    _, secret = _made(database)
    ring = Keyring(database)
    assert ring.find(secret)
    digest = keys.digest_of("another")
    ring._shelves[digest[:16]] = next(iter(ring._shelves.values()))
    assert ring.find("another") is None


def test_a_new_key_opens_and_a_revoked_one_closes_in_every_process(database: Database) -> None:
    rings = [Keyring(database), Keyring(database)]
    _, first = _made(database)
    assert all(ring.find(first) for ring in rings)
    key_id, second = _made(database)
    for ring in rings:
        eventually(lambda ring=ring: ring.find(second), seconds=5, what="the new key opens")  # type: ignore[misc]
    with database.session() as db:
        assert keys.revoke(db, key_id)
    for ring in rings:
        eventually(lambda ring=ring: ring.find(second) is None, seconds=5, what="it closes")  # type: ignore[misc]
        assert ring.find(first)


def test_an_expired_key_opens_nothing_from_its_very_second(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = _made(database, expires_seconds=3600)
    ring = Keyring(database)
    assert ring.find(secret)
    monkeypatch.setattr("service.access.keyring.time.time", lambda: 4e9)
    assert ring.find(secret) is None


def test_thousands_of_wrong_keys_cause_a_handful_of_looks(database: Database) -> None:
    _made(database)
    ring, looks = Keyring(database), []
    event.listen(database.engine, "before_cursor_execute", lambda *args: looks.append(args[2]))
    started = time.monotonic()
    for number in range(5000):
        assert ring.find(f"gradhouse_{number:064x}") is None
    tenths = (time.monotonic() - started) / keyring.NEW_SECONDS
    selects = [text for text in looks if "FROM keys" in text]
    assert len(selects) <= 3 + tenths


def test_the_last_use_is_noted_beside_the_request(database: Database) -> None:
    key_id, secret = _made(database)
    ring = Keyring(database)

    def used() -> Any:
        assert ring.find(secret)
        with database.reading() as db:
            return db.get_one(Key, key_id).last_used_at

    assert eventually(used)


class _Away:
    """A database that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    def reading(self) -> Any:
        self.asked += 1
        raise DatabaseError("SELECT", None, Exception("away"))


def test_a_database_that_is_away_is_asked_once_a_second_not_by_every_request() -> None:
    away = _Away()
    ring = Keyring(away)  # type: ignore[arg-type]
    refusals: list[Exception] = []

    def ask() -> None:
        for _ in range(50):
            try:
                ring.find("x")
            except (DatabaseError, ServiceError) as error:
                refusals.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refusals) == 200
    assert away.asked <= 3
