"""`gradhouse status`: what runs, asked over HTTP as any client would."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from service.settings import Settings
from service.up import address

UNREACHABLE, REFUSED, FAILED = 3, 4, 5  # exit codes
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Unavailable(Exception):
    """The status cannot be had; the text says why, `exit_code` of what kind it is."""

    text: str
    exit_code: int

    def __str__(self) -> str:
        return self.text


def run(settings: Settings, *, url: str | None, key: str | None) -> dict[str, Any]:
    """The service's own account of itself. Raises Unavailable."""
    base = (url or address(settings)).rstrip("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{base}/api/v1/status", headers=headers, timeout=PATIENCE_SECONDS)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        text = f"{base} does not answer ({error}); `gradhouse up` starts a service"
        raise Unavailable(text, UNREACHABLE) from None
    if not answer.is_success:
        kind = FAILED if answer.is_server_error else REFUSED
        raise Unavailable(_reason(answer), kind)
    document: dict[str, Any] = answer.json()
    return document


def _reason(answer: httpx.Response) -> str:
    if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        problem = answer.json()
        return f"{problem['detail']}. {problem['hint']}"
    return f"the answer is {answer.status_code} and no problem document: is this a gradhouse?"


def shown(status: dict[str, Any]) -> str:
    """The account in a few lines for people."""
    return "\n".join(_lines(status))


def _lines(status: dict[str, Any]) -> Iterator[str]:
    yield f"gradhouse {status['version']}, up for {_span(status['uptime_seconds'])}"
    yield f"database  {status['database']}, revision {status['versions']['database']}"
    yield f"broker    {status['broker']}"
    waiting = status["queue"]
    yield f"queue     {_or_unknown(waiting['depth'])} jobs, the oldest waits {_span(waiting['age_seconds'])}"
    if status["jobs"] is not None:
        yield "jobs      " + ", ".join(f"{count} {name}" for name, count in status["jobs"].items())
    if not status["workers"]:
        yield "workers   none: jobs wait; `gradhouse worker` starts one"
    for worker in status["workers"]:
        busy = sum(process["busy"] for process in worker["processes"])
        facts = f"version {worker['version']}, {busy} of {worker['concurrency']} processes busy"
        yield f"worker    {worker['name']}: {facts}, seen {worker['age_seconds']:.0f} s ago"


def _or_unknown(value: object) -> object:
    return "unknown" if value is None else value


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
