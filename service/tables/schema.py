"""The schema as a whole: which revision the code needs, whether a database has it, and how it gets there."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, select, text

from service.settings import Settings
from service.tables import (
    HEAD,
    datasets,
    deliveries,
    events,
    history,
    idempotency,
    jobs,
    keys,
    models,
    snapshots,
)
from service.tables.base import Base, Database, patiently
from service.tables.functions import database_now

METADATA: MetaData = Base.metadata
TABLES = (
    datasets.Dataset,
    jobs.Job,
    events.Event,
    deliveries.Delivery,
    history.HistoryBlock,
    history.Checkpoint,
    snapshots.SnapshotRow,
    models.Model,
    idempotency.IdempotencyKey,
    keys.Key,
)

_PACKAGE = Path(__file__).resolve().parents[1]


class OutdatedSchema(Exception):
    """The database is not at the revision that the code needs."""


def revision(database: Database) -> str | None:
    """The database's revision; None for an empty one, and for a SQLite that is not there yet."""
    if not exists(database):
        return None
    with database.reading() as db:
        if not inspect(db.connection()).has_table("alembic_version"):
            return None
        found: str | None = db.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def exists(database: Database) -> bool:
    """Whether there is a database to look at: SQLite makes an empty one for whoever looks."""
    url = database.engine.url
    return url.get_backend_name() != "sqlite" or url.database is None or Path(url.database).exists()


def require_current(database: Database, *, or_newer: bool = True, patience_seconds: float = 0) -> None:
    """Raises OutdatedSchema unless the database has the revision that this code needs, or a newer one.

    Waits so long for a database that is away.

    During a rolling upgrade processes of the last version go on, and start again, on the database of the
    next: migrations only add to what that version reads and writes, and a test holds them to it.
    """
    found = patiently(partial(revision, database), budget_seconds=patience_seconds)
    if found is None:
        state = "has no tables yet"
    elif found < HEAD or (found > HEAD and not or_newer):
        state = f"is at revision {found}"
    else:
        return
    remedy = "run `gradhouse db upgrade`" if found is None or found < HEAD else "use a newer version"
    raise OutdatedSchema(f"the database {state}, this version needs {HEAD}: {remedy}")


def clock_seconds(database: Database) -> float:
    """The database's clock, in seconds since 1970."""
    with database.reading() as db:
        now = db.scalars(select(database_now())).one()
        return now.timestamp()


def damage(database: Database) -> str | None:
    """What SQLite's own check finds wrong in its file; None where it is sound."""
    with database.reading() as db:
        found: str = db.scalars(text("PRAGMA quick_check(1)")).one()
        return None if found == "ok" else found


def upgrade(database: Database, to: str = "head") -> None:
    """Brings the database up to a revision; nothing happens when it is there already."""
    _migrate(database, "upgrade", to)


def run(settings: Settings) -> str:
    """`gradhouse db upgrade`: brings the settings' database up to date; its revision."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database, pool_size=1)
    patiently(partial(upgrade, database), budget_seconds=settings.database_start_seconds)
    database.close()
    return HEAD


def downgrade(database: Database, to: str) -> None:
    """Brings the database down to a revision; `base` is the empty one."""
    _migrate(database, "downgrade", to)


def migrations_folder() -> Path:
    """Where the revisions lie: inside the installed package, or beside it in a source checkout."""
    shipped = _PACKAGE / "migrations"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "migrations"


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for this connection."""
    # By name: the API and the workers look at the revision only, and start sooner without alembic.
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(database: Database, direction: str, to: str) -> None:
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Several hosts may start at once: one migrates, the others wait and find nothing to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(813700)"))
        getattr(import_module("alembic.command"), direction)(alembic_config(connection), to)
