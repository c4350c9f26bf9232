"""Sees every request end: counts it, times it, and has the log tell of it. Knows no resource."""

from collections.abc import Callable
from time import perf_counter

from flask import Flask, Response, request
from prometheus_client import Histogram

from service.telemetry.log import RequestLog
from service.telemetry.metrics import HTTP_SECONDS
from service.web.requests import request_id

NO_ROUTE = "none"  # addresses that nobody serves share a series: strangers must not make new ones
_STARTED = "gradhouse.started"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def install(app: Flask, log: RequestLog, owner: Callable[[], str | None]) -> None:
    """Observes every request of `app`; install it first, so that the time includes what others do.

    `owner` tells whose the request is; None where that is not known.
    """
    series: dict[tuple[str, str, str], Histogram] = {}

    def before() -> None:
        request.environ[_STARTED] = perf_counter()

    def after(response: Response) -> Response:
        environ, rule = request.environ, request.url_rule
        seconds = perf_counter() - environ[_STARTED]
        method, route = environ["REQUEST_METHOD"], NO_ROUTE if rule is None else rule.rule
        key = method if method in _METHODS else "other", route, response.status[:3]
        if key not in series:
            series[key] = HTTP_SECONDS.labels(*key)
        series[key].observe(seconds)
        if log.wants(route, response.status_code):
            facts = {"method": method, "route": route, "status": response.status_code}
            log.write(**facts, ms=round(seconds * 1e3, 3), owner=owner(), request_id=request_id())
        return response

    app.before_request(before)
    app.after_request(after)
