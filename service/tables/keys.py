"""The keys: whose each is and what it may do. The secret is never stored, only its SHA-256."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import ColumnElement, String, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.scopes import Scope
from service.tables.base import Base, Conflict, new_id
from service.tables.functions import database_now

PREFIX = "gradhouse_"  # so that a scanner of sources and logs knows a key when it sees one
SECRET_BYTES = 32  # of the system's randomness: nothing to guess, so that a plain hash is enough


class Key(Base):
    """One key. Rows are never deleted: `revision` counts on it."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    scope: Mapped[str] = mapped_column(String(10))
    note: Mapped[str | None] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=database_now())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class LiveKey:
    """What a request's gate needs of a key."""

    id: str
    owner: str
    scope: Scope
    digest: str
    expires_at: float | None  # seconds since 1970


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def add(
    db: Session,
    *,
    owner: str,
    scope: Scope,
    note: str | None = None,
    expires_seconds: float | None = None,
    most: int,
) -> tuple[Key, str]:
    """A new key and its secret, which nobody can read again. Raises Conflict where `most` are live."""
    alive = db.scalar(select(func.count()).select_from(Key).where(*_live())) or 0
    if alive >= most:
        hint = "Revoke keys that are not needed, or raise the setting max_keys."
        raise Conflict("too_many_keys", f"{alive} keys are live, and max_keys allows {most}", hint)
    secret = PREFIX + secrets.token_hex(SECRET_BYTES)
    expires = None if expires_seconds is None else database_now() + expires_seconds
    key = Key(
        id=new_id("key"),
        owner=owner,
        scope=scope.word,
        note=note,
        digest=digest_of(secret),
        expires_at=expires,
    )
    db.add(key)
    db.flush()
    db.refresh(key)
    return key, secret


def revoke(db: Session, key_id: str) -> bool:
    """Ends a key for ever; False where there is none. One that was revoked before stays so."""
    db.execute(
        update(Key).where(Key.id == key_id, Key.revoked_at.is_(None)).values(revoked_at=database_now())
    )
    return db.scalar(select(Key.id).where(Key.id == key_id)) is not None


def every(db: Session) -> Sequence[Key]:
    """All keys there ever were, oldest first."""
    return db.scalars(select(Key).order_by(Key.id)).all()


def any_live(db: Session) -> bool:
    """Says whether there is a key that opens."""
    return db.scalar(select(Key.id).where(*_live()).limit(1)) is not None


def revision(db: Session) -> tuple[int, int]:
    """Changes whenever a key is made or revoked: both numbers only ever rise."""
    made, revoked = db.execute(select(func.count(), func.count(Key.revoked_at)).select_from(Key)).one()
    return int(made), int(revoked)


def live(db: Session) -> list[LiveKey]:
    """The keys that open now, and until when."""
    query = select(Key.id, Key.owner, Key.scope, Key.digest, Key.expires_at).where(*_live())
    return [
        LiveKey(row.id, row.owner, Scope[row.scope.upper()], row.digest, _seconds(row.expires_at))
        for row in db.execute(query)
    ]


def note_use(db: Session, key_ids: Sequence[str]) -> None:
    """These keys were used just now."""
    db.execute(update(Key).where(Key.id.in_(key_ids)).values(last_used_at=database_now()))


def _live() -> tuple[ColumnElement[bool], ...]:
    return Key.revoked_at.is_(None), or_(Key.expires_at.is_(None), Key.expires_at > database_now())


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
