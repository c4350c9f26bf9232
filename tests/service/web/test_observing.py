"""What is seen of every request."""

from collections.abc import Callable

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from service.errors import ServiceError
from service.settings import Settings
from service.telemetry.log import RequestLog
from service.telemetry.metrics import HTTP_SECONDS
from service.web import observing, problems, requests


class Written(RequestLog):
    """A log that keeps its lines."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.lines: list[dict[str, object]] = []

    def write(self, **facts: object) -> None:
        self.lines.append(facts)


@pytest.fixture
def log() -> Written:
    return Written()


@pytest.fixture
def client(log: Written) -> FlaskClient:
    app = Flask(__name__)
    observing.install(app, log, lambda: "ann")
    requests.install(app, bind_host="127.0.0.1")
    problems.install(app, lambda _error: None)

    def broken() -> Response:
        raise RuntimeError("nobody expected this")

    def refused() -> Response:
        raise ServiceError("not_found", "there is no such thing")

    app.add_url_rule("/things/<thing>", "thing", lambda thing: thing, methods=["GET", "POST"])
    app.add_url_rule("/broken", "broken", broken)
    app.add_url_rule("/refused", "refused", refused)
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    return app.test_client()


@pytest.fixture
def counted() -> Callable[..., float]:
    """How often a series has counted since the test began."""
    before: dict[tuple[str, str, str], float] = {}

    def now(method: str, route: str, status: str) -> float:
        return float(sum(bucket.get() for bucket in HTTP_SECONDS.labels(method, route, status)._buckets))

    def since(method: str, route: str, status: str) -> float:
        return now(method, route, status) - before[method, route, status]

    for status in ("200", "403", "404", "405", "500"):
        for route in ("/things/<thing>", "/broken", "/refused", "none"):
            for method in ("GET", "other"):
                before[method, route, status] = now(method, route, status)
    return since


def test_requests_are_counted_by_route_and_never_by_address(
    client: FlaskClient, counted: Callable[..., float], log: Written
) -> None:
    for thing in ("a", "b", "c"):
        client.get(f"/things/{thing}")
    assert counted("GET", "/things/<thing>", "200") == 3
    assert {line["route"] for line in log.lines} == {"/things/<thing>"}


def test_strangers_cannot_make_series(client: FlaskClient, counted: Callable[..., float]) -> None:
    for number in range(5):
        client.get(f"/nowhere/{number}")
        client.open("/nowhere", method=f"X{number}")
    assert counted("GET", "none", "404") == 5
    assert counted("other", "none", "404") == 5


def test_a_line_tells_method_route_status_time_owner_and_id(client: FlaskClient, log: Written) -> None:
    client.get("/things/1", headers={"X-Request-ID": "req-7"})
    (line,) = log.lines
    ms = line.pop("ms")
    assert isinstance(ms, float)
    assert 0 < ms < 10_000
    assert line == {
        "method": "GET",
        "route": "/things/<thing>",
        "status": 200,
        "owner": "ann",
        "request_id": "req-7",
    }


@pytest.mark.parametrize(("path", "status"), [("/refused", 404), ("/broken", 500)])
def test_refusals_and_failures_are_seen_too(
    client: FlaskClient,
    counted: Callable[..., float],
    log: Written,
    path: str,
    status: int,
) -> None:
    assert client.get(path).status_code == status
    assert counted("GET", path, str(status)) == 1
    assert log.lines[-1]["status"] == status


def test_a_request_that_is_turned_away_at_the_door_is_seen(
    client: FlaskClient, counted: Callable[..., float]
) -> None:
    client.get("/things/1", headers={"Host": "evil.example"})
    assert counted("GET", "/things/<thing>", "403") == 1


def test_probes_leave_no_line_unless_asked_for(client: FlaskClient, log: Written) -> None:
    client.get("/healthz")
    assert not log.lines
