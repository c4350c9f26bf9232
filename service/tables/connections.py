"""Connections to either kind of database: nothing waits for ever, nothing asks more often than it must."""

import sqlite3
import time
from math import inf
from pathlib import Path
from typing import Any, cast

import orjson
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import InvalidatePoolError, OperationalError

from service.tables.line import Line

# A host that is gone without a farewell is noticed by either side within the lease of its jobs: else the one
# waits for an answer, and the other keeps its rows locked, for hours.
_CLIENT = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SERVER = {
    "statement_timeout": 20_000,
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 60_000,
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_RESTED_SECONDS = 1.0  # a connection that was used since is taken to be there still
_SQLITE = {
    "journal_mode": "WAL",
    "foreign_keys": "ON",
    # In KiB, of each connection. Whoever commits empties the caches of all others, so that a cache serves a
    # transaction and little more; SQLite's 2 MB would fill all the same, as slowly as the database grows.
    "cache_size": "-256",
}


class WroteWhileReading(TypeError):
    """A statement that changes rows came where nothing may be changed."""


def connect(url: str, *, synchronous: str, pool_size: int, busy_seconds: float) -> Engine:
    """The engine for a database; `synchronous` is SQLite's."""
    documents: dict[str, Any] = {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
    }
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url, pool_size=pool_size, max_overflow=-1, connect_args={"timeout": busy_seconds}, **documents
        )
        event.listen(engine, "connect", lambda connection, _: _prepare_sqlite(connection, synchronous))
        line = Line(Path(engine.url.database or ""))
        event.listen(engine, "begin", lambda connection: _begin_sqlite(connection, line, busy_seconds))
        return engine
    options = " ".join(f"-c {name}={value}" for name, value in _SERVER.items())
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=busy_seconds,
        connect_args={**_CLIENT, "options": options},
        **documents,
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(
        engine, "checkout", lambda connection, record, _: _ping_rested(engine, connection, record.info)
    )
    return engine


def for_reading(engine: Engine) -> Engine:
    """The same connections for those who only read: they block nobody, and what changes rows is refused."""
    if engine.dialect.name == "sqlite":
        reader = engine.execution_options(reading=True)
    else:
        # No transaction: PostgreSQL would give each statement a view of its own all the same, and BEGIN and
        # ROLLBACK are two more words over the network.
        reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    event.listen(reader, "before_execute", _refuse_writing)
    return reader


def _refuse_writing(_connection: Connection, statement: Any, *_: Any) -> None:
    if getattr(statement, "is_dml", False):
        raise WroteWhileReading(f"reading() changes nothing: {statement}")


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_rested(engine: Engine, connection: Any, info: dict[str, Any]) -> None:
    """Replaces a connection that broke while it rested; to ask before every use costs as much as the use."""
    if time.monotonic() - info.get("used_at", inf) < _RESTED_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _prepare_sqlite(connection: Any, synchronous: str) -> None:
    connection.isolation_level = None  # sqlite3 must not send a BEGIN of its own
    for name, value in {**_SQLITE, "synchronous": synchronous}.items():
        connection.execute(f"PRAGMA {name}={value}")


def _begin_sqlite(connection: Connection, line: Line, busy_seconds: float) -> None:
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    if connection.get_execution_options().get("reading"):
        driver.execute("BEGIN")  # by way of SQLAlchemy it would cost as much as a small query
        return
    # A deferred BEGIN that reads first fails at its write when another writer was faster.
    try:
        line.begin(driver, busy_seconds)
    except sqlite3.OperationalError as error:
        raise OperationalError("BEGIN IMMEDIATE", None, error) from error
