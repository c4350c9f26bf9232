"""Reservations of keys: as long as their requests are at work, and little longer."""

from dataclasses import replace

import pytest

from service.api.reservations import Reservations
from service.tables import idempotency
from service.tables.base import Conflict, Database
from service.tables.idempotency import IdempotencyKey, Reservation
from tests.servers import eventually

MINE = Reservation("local", "k1", "mine", "f")
OTHER = replace(MINE, token="other")


def _reserve(database: Database, wanted: Reservation) -> bool:
    try:
        with database.session() as db:
            return idempotency.reserve(db, wanted) is None
    except Conflict:
        return False


def _renewed(database: Database) -> float:
    with database.reading() as db:
        return db.get_one(IdempotencyKey, (MINE.owner, MINE.key)).created_at.timestamp()


def test_a_request_at_work_keeps_its_key_and_a_dead_one_does_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "RESERVED_SECONDS", 3.0)
    assert _reserve(database, MINE)
    began = _renewed(database)
    with Reservations(database).keeping(MINE):
        eventually(lambda: _renewed(database) > began + idempotency.RESERVED_SECONDS, what="renewed in time")
        assert not _reserve(database, OTHER)
    eventually(lambda: _reserve(database, OTHER), what="the key is free")


def test_what_ran_out_is_not_renewed_for_another(database: Database) -> None:
    assert _reserve(database, MINE)
    with database.session() as db:
        db.get_one(IdempotencyKey, (MINE.owner, MINE.key)).token = "other"
    before = _renewed(database)
    with database.session() as db:
        idempotency.renew(db, [MINE])
    assert _renewed(database) == before
