"""`gradhouse keys`: makes, lists and revokes keys, in the database itself; and the refusal to start open."""

import re
from datetime import datetime

from service.scopes import Scope
from service.settings import Settings
from service.tables import keys, schema
from service.tables.base import Conflict, Database
from service.tables.keys import Key

OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_DAY_SECONDS = 24 * 3600.0
_COLUMNS = ("id", "owner", "scope", "created", "expires", "last used", "state", "note")


class KeyRefused(Exception):
    """The command cannot be carried out; the text says why and what to do, in one line."""


class MissingKeys(Exception):
    """The service would stand open to others: the text says how to make a key."""


def create(settings: Settings, *, owner: str, scope: str, days: float | None, note: str | None) -> str:
    """Makes a key; its secret, which is shown this once. Raises KeyRefused."""
    if not OWNER.fullmatch(owner):
        rule = "1 to 100 of A-Z a-z 0-9 . _ @ -, a letter or digit first"
        raise KeyRefused(f"an owner's name must be {rule}, got {owner[:120]!r}")
    if note is not None and (len(note) > 255 or not note.isprintable()):
        raise KeyRefused("a note must be at most 255 printable characters")
    database = Database(settings.database, pool_size=1)
    try:
        _prepare(database, settings)
        with database.session() as db:
            seconds = None if days is None else days * _DAY_SECONDS
            made = keys.add(
                db,
                owner=owner,
                scope=Scope[scope.upper()],
                note=note,
                expires_seconds=seconds,
                most=settings.max_keys,
            )
    except Conflict as error:
        raise KeyRefused(f"{error.detail}: {error.hint}") from None
    finally:
        database.close()
    return made[1]


def listing(settings: Settings) -> str:
    """All keys, a line each, without their secrets."""
    database = Database(settings.database, pool_size=1)
    schema.require_current(database)
    with database.reading() as db:
        rows = [_COLUMNS, *(_line(key, datetime.now(tz=key.created_at.tzinfo)) for key in keys.every(db))]
    database.close()
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def revoke(settings: Settings, *, key_id: str) -> None:
    """Ends a key: within a second it opens nothing more. Raises KeyRefused where there is no such key."""
    database = Database(settings.database, pool_size=1)
    schema.require_current(database)
    with database.session() as db:
        known = keys.revoke(db, key_id)
    database.close()
    if not known:
        raise KeyRefused(f"there is no key {key_id[:80]!r}; `gradhouse keys list` shows them")


def require_key(settings: Settings) -> None:
    """Raises MissingKeys where the settings ask for keys and there is none that opens."""
    if not settings.keyed:
        return
    database = Database(settings.database, pool_size=1)
    with database.reading() as db:
        opens = keys.any_live(db)
    database.close()
    if not opens:
        why = "keys are required" if settings.require_keys else f"{settings.host} is no loopback address"
        remedy = "make one with `gradhouse keys create --owner NAME --scope admin`"
        raise MissingKeys(f"{why}, and there is no key that opens: {remedy}")


def _prepare(database: Database, settings: Settings) -> None:
    """A first key may be made before the first start."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if schema.revision(database) is None:
        schema.upgrade(database)
    schema.require_current(database)


def _line(key: Key, now: datetime) -> tuple[str, ...]:
    expired = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.revoked_at else "expired" if expired else "live"
    times = (key.created_at, key.expires_at, key.last_used_at)
    created, expires, used = ("-" if each is None else f"{each:%Y-%m-%d %H:%M}" for each in times)
    return key.id, key.owner, key.scope, created, expires, used, state, key.note or ""
