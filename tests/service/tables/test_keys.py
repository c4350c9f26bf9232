"""The keys' rows, on both databases."""

import pytest

from service.scopes import Scope
from service.tables import keys
from service.tables.base import Conflict, Database


def test_a_revision_changes_with_every_key_made_or_revoked(database: Database) -> None:
    seen = set()
    with database.session() as db:
        seen.add(keys.revision(db))
        made = [keys.add(db, owner="alice", scope=Scope.READ, most=9)[0].id for _ in range(2)]
        seen.add(keys.revision(db))
        for key_id in made:
            assert keys.revoke(db, key_id)
            seen.add(keys.revision(db))
    assert len(seen) == 4


def test_only_keys_that_open_are_live(database: Database) -> None:
    with database.session() as db:
        assert not keys.any_live(db)
        expired, _ = keys.add(db, owner="a", scope=Scope.READ, expires_seconds=-1, most=9)
        assert not keys.any_live(db)
        later, secret = keys.add(db, owner="b", scope=Scope.ADMIN, expires_seconds=60, most=9)
        (live,) = keys.live(db)
        assert (live.id, live.owner, live.scope) == (later.id, "b", Scope.ADMIN)
        assert live.digest == keys.digest_of(secret)
        assert live.expires_at is not None
        assert [key.id for key in keys.every(db)] == [expired.id, later.id]
        assert not keys.revoke(db, "key_nothing")


def test_live_keys_are_bounded(database: Database) -> None:
    with database.session() as db:
        keys.add(db, owner="a", scope=Scope.READ, most=1)
        with pytest.raises(Conflict, match="max_keys allows 1"):
            keys.add(db, owner="a", scope=Scope.READ, most=1)


def test_uses_are_noted(database: Database) -> None:
    with database.session() as db:
        key, _ = keys.add(db, owner="a", scope=Scope.READ, most=1)
        assert key.last_used_at is None
        keys.note_use(db, [key.id])
    with database.reading() as db:
        assert keys.every(db)[0].last_used_at is not None
