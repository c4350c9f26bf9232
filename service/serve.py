"""`gradhouse api`: the HTTP API behind Granian, in processes of its own."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from service.access.commands import require_key
from service.api.parts import parts_of
from service.app import create_app
from service.processes import die_with_parent, keep_for_good
from service.settings import Settings, load_settings
from service.tables.base import Database
from service.tables.schema import require_current
from service.telemetry import configure_logging
from service.telemetry.tracing import (
    configure_tracing,
    require_tracing,
    trace_application,
    trace_statements,
)

WORKERS_END_SECONDS = 2  # else an open event stream holds the shutdown


def run(settings: Settings) -> None:
    """Serves until a signal comes. Raises OutdatedSchema (a database of another version) and MissingKeys."""
    database = Database(settings.database, pool_size=1)
    require_current(database, patience_seconds=settings.database_start_seconds)
    database.close()
    require_key(settings)
    require_tracing(settings)
    os.environ.update(settings.environment())  # which the serving processes read
    keep_for_good()
    Granian(
        "service.serve:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=settings.host,
        port=settings.port,
        workers=settings.api_processes,
        blocking_threads=settings.api_threads + settings.max_streams + settings.max_readers,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=WORKERS_END_SECONDS,
        websockets=False,
        http=HTTPModes.http1,  # what the bounds below hold for
        http1_settings=HTTP1Settings(
            header_read_timeout=round(settings.header_seconds * 1000),
            max_buffer_size=settings.max_header_bytes,
        ),
        log_level=LogLevels.error,
    ).serve()


def application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The WSGI application, built in the process that serves it."""
    die_with_parent()
    settings = load_settings()
    configure_logging(settings, "api")
    configure_tracing(settings, "api")
    app = create_app(settings)
    trace_application(app)
    trace_statements(parts_of(app).database.engine)
    keep_for_good()  # else the collector goes through all of it while requests wait
    return app
