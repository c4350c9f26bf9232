"""Idempotency keys: reserved before the work, completed with its answer in the transaction that creates.

A reservation is a transaction of its own, so that a second request sees it, and a lease: a request that takes
long renews it, and that of a request that died runs out. The completion is fenced by the reservation's
token: of two requests with one key, at most one commits what it has created.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, LargeBinary, String, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.tables.base import Base, Conflict
from service.tables.functions import database_now

KEPT_SECONDS = 24 * 3600.0
RESERVED_SECONDS = 10.0  # a request that has not renewed its reservation for so long counts as dead


class IdempotencyKey(Base):
    """What a key was first used for; without a status it is reserved by a request that is still at work."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    token: Mapped[str] = mapped_column(String(32))
    fingerprint: Mapped[str] = mapped_column(String(64))
    # Of what is reserved still: when that was last renewed.
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now(), index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A key that this request alone may complete."""

    owner: str
    key: str
    token: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The first answer to a key."""

    status: int
    headers: dict[str, str]
    body: bytes


class KeyReused(Exception):
    """The key was used before, for another request."""


def reserve(db: Session, wanted: Reservation) -> Kept | None:
    """Reserves a key, or gives the answer that it has. Raises KeyReused, and Conflict in flight."""
    _forget_old(db, wanted)
    mine = {"owner": wanted.owner, "key": wanted.key, "token": wanted.token}
    statement = _insert(db).values(**mine, fingerprint=wanted.fingerprint).on_conflict_do_nothing()
    if db.execute(statement.returning(IdempotencyKey.token)).one_or_none():
        return None
    row = db.get_one(IdempotencyKey, (wanted.owner, wanted.key))
    if row.fingerprint != wanted.fingerprint:
        raise KeyReused(wanted.key)
    if row.status is None:
        hint = "Wait for the answer to the first request, then send this one again."
        raise Conflict("idempotency_key_in_flight", "a request with this Idempotency-Key is at work", hint)
    return Kept(row.status, row.headers or {}, row.body or b"")


def complete(db: Session, reserved: Reservation, answer: Kept) -> None:
    """Keeps the answer, in the transaction that makes what it tells of.

    Raises Conflict when the reservation ran out and is another request's by now: nothing may be created then.
    """
    statement = update(IdempotencyKey).where(*_mine(reserved), IdempotencyKey.status.is_(None))
    values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    if not db.execute(statement.values(**values).returning(IdempotencyKey.token)).one_or_none():
        hint = "Send the request again."
        raise Conflict("idempotency_key_in_flight", "this request took so long that its key ran out", hint)


def renew(db: Session, reserved: Sequence[Reservation]) -> None:
    """Lets reservations of requests at work begin anew; what others have taken over is theirs."""
    mine = IdempotencyKey.token.in_([each.token for each in reserved])
    owners = IdempotencyKey.owner.in_({each.owner for each in reserved})
    keys = IdempotencyKey.key.in_({each.key for each in reserved})
    this = (owners, keys, mine, IdempotencyKey.status.is_(None))
    db.execute(update(IdempotencyKey).where(*this).values(created_at=database_now()))


def give_up(db: Session, reserved: Reservation) -> None:
    """Frees the key of a request that has created nothing."""
    db.execute(delete(IdempotencyKey).where(*_mine(reserved), IdempotencyKey.status.is_(None)))


def _mine(reserved: Reservation) -> tuple[Any, ...]:
    row = IdempotencyKey
    return row.owner == reserved.owner, row.key == reserved.key, row.token == reserved.token


def _forget_old(db: Session, wanted: Reservation) -> None:
    row = IdempotencyKey
    db.execute(delete(row).where(row.created_at < database_now() - KEPT_SECONDS))
    dead = (row.status.is_(None), row.created_at < database_now() - RESERVED_SECONDS)
    db.execute(delete(row).where(row.owner == wanted.owner, row.key == wanted.key, *dead))


def _insert(db: Session) -> Any:
    kinds: dict[str, type[Insert]] = {"sqlite": sqlite.Insert, "postgresql": postgresql.Insert}
    return kinds[db.get_bind().dialect.name](IdempotencyKey)
