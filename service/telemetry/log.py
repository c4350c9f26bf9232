"""The log: one line an event, for people or as JSON, with the request's or job's id bound to it."""

import logging
import os
import sys
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from structlog.contextvars import bound_contextvars, get_contextvars

from service.settings import Settings

__all__ = ["RequestLog", "bound_contextvars", "configure_logging", "current_request_id", "get_logger"]

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # what machines ask every few seconds

TURNED_AWAY = frozenset({401, 429})
TURNED_AWAY_A_SECOND = 20  # lines of one process


def configure_logging(settings: Settings, process: str) -> None:
    """Sends every log line of this process, the libraries' included, to stderr in one shape.

    `process` names the process in each line: api, worker, sweeper.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _name, event: {"process": process, **event},
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry the bound ids."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def current_request_id() -> str | None:
    """The id of the request that is being answered, or whose job is being worked on; None for neither."""
    known: str | None = get_contextvars().get("request_id")
    return known


class RequestLog:
    """One line a request. It stands on the hot path: JSON lines go past the logging library."""

    def __init__(self, settings: Settings) -> None:
        self._least = logging.getLevelNamesMapping()[settings.log_level]
        self._json = settings.log_format == "json"
        self._which = settings.log_requests
        self._logger = get_logger("service.requests")
        # Threads may miscount each other's by a few: that is cheaper than a lock.
        self._second, self._said, self._unsaid = float("-inf"), 0, 0

    def wants(self, route: str, status: int) -> bool:
        """Whether the log tells of a request: failures always, all others as the settings say.

        Of those turned away at the gate it tells so many a second: a flood of guesses must not fill the disk.
        """
        if _is_failure(status):
            return True
        if status in TURNED_AWAY and not self._turned_away():
            return False
        asked_for = self._which == "all" or (self._which == "no_probes" and route not in PROBES)
        return asked_for and self._least <= logging.INFO

    def _turned_away(self) -> bool:
        """Counts one that was turned away; whether there is room for a line of it in this second."""
        now = time.monotonic()
        if now >= self._second + 1:
            if self._unsaid:
                self._logger.warning("turned away without a line each", requests=self._unsaid)
            self._second, self._said, self._unsaid = now, 0, 0
        self._said += 1
        self._unsaid += self._said > TURNED_AWAY_A_SECOND
        return self._said <= TURNED_AWAY_A_SECOND

    def write(self, **facts: Any) -> None:
        """Logs an answered request: method, route, status, ms, owner, request_id."""
        level = "error" if _is_failure(facts["status"]) else "info"
        if not self._json:
            self._logger.log(logging.getLevelNamesMapping()[level.upper()], "request", **facts)
            return
        line = {"process": "api", "event": "request", **facts, "level": level}
        line["timestamp"] = datetime.now(UTC)
        os.write(2, orjson.dumps(line, option=_LINE))  # one write a line: threads do not mix theirs


def _is_failure(status: int) -> bool:
    """Whether an answer is our fault: 503 is a refusal with a time to come again, and load brings many."""
    return status >= 500 and status != HTTPStatus.SERVICE_UNAVAILABLE


_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def _rendering(settings: Settings) -> list[Any]:
    if settings.log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback  # one that shows no variables, which may hold data
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
