"""The log: one shape for every line."""

import json
import logging
from collections.abc import Iterator

import pytest
from structlog.contextvars import clear_contextvars

from service.settings import Settings
from service.telemetry import bound_contextvars, configure_logging, current_request_id, get_logger
from service.telemetry.log import TURNED_AWAY_A_SECOND, RequestLog


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_json_line_carries_process_job_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"), "worker")
    with bound_contextvars(job_id="job_1"):
        get_logger("test").info("succeeded", epoch=21)
        logging.getLogger("library").warning("said %s", "something")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["process"], ours["job_id"], ours["event"], ours["epoch"]) == (
        "worker",
        "job_1",
        "succeeded",
        21,
    )
    assert (theirs["job_id"], theirs["event"], theirs["level"]) == ("job_1", "said something", "warning")


def test_a_console_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(), "api")
    get_logger("test").info("hello")
    get_logger("test").debug("unheard")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "hello" in lines[0]
    assert "process=api" in lines[0]


def test_a_trace_is_logged_without_the_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_format="json"), "worker")
    row_of_a_user = "secret cell"
    try:
        raise ValueError(len(row_of_a_user))
    except ValueError:
        get_logger("test").exception("broke")
    line = capsys.readouterr().err
    assert "ValueError" in line
    assert row_of_a_user not in line


LINE: dict[str, object] = {
    "method": "GET",
    "route": "/x",
    "status": 200,
    "ms": 1.5,
    "owner": "ann",
    "request_id": "req_1",
}


@pytest.mark.parametrize(
    ("log_requests", "log_level", "told"),
    [
        ("all", "INFO", {"/x", "/healthz", "broken"}),
        ("no_probes", "INFO", {"/x", "broken"}),
        ("none", "INFO", {"broken"}),
        ("all", "WARNING", {"broken"}),
    ],
)
def test_the_settings_say_which_requests_leave_a_line(
    log_requests: str, log_level: str, told: set[str]
) -> None:
    log = RequestLog(Settings(log_requests=log_requests, log_level=log_level))
    asked = {"/x": 200, "/healthz": 200, "broken": 500}
    assert {route for route, status in asked.items() if log.wants(route, status)} == told


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (503, "info"), (500, "error")])
def test_a_requests_json_line_has_the_shape_of_all_others(
    capfd: pytest.CaptureFixture[str], status: int, level: str
) -> None:
    settings = Settings(log_format="json")
    configure_logging(settings, "api")
    RequestLog(settings).write(**{**LINE, "status": status})
    get_logger("test").info("hello", request_id="req_1")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    ours = next(line for line in lines if line["event"] == "request")
    assert ours["level"] == level
    assert {"process", "event", "level", "timestamp"} <= set(ours)
    assert ours.items() >= {**LINE, "status": status}.items()
    assert ours["timestamp"][:10] == lines[-1]["timestamp"][:10]
    assert ours["timestamp"].endswith("Z")


def test_a_requests_line_for_people_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(), "api")
    RequestLog(Settings()).write(**LINE)
    line = capsys.readouterr().err
    assert all(word in line for word in ("request", "status=200", "owner=ann", "route=/x"))


def test_outside_of_a_request_there_is_no_id() -> None:
    clear_contextvars()
    assert current_request_id() is None
    with bound_contextvars(request_id="req_9"):
        assert current_request_id() == "req_9"


def test_a_flood_that_is_turned_away_leaves_few_lines_and_their_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging(Settings(log_format="json"), "api")
    log, clock = RequestLog(Settings(log_format="json")), [100.0]
    monkeypatch.setattr("service.telemetry.log.time.monotonic", lambda: clock[0])
    assert sum(log.wants("/x", 401) for _ in range(5_000)) == TURNED_AWAY_A_SECOND
    assert log.wants("/x", 200)
    assert log.wants("/x", 500)
    clock[0] += 1
    assert log.wants("/x", 429)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["requests"] == 5_000 - TURNED_AWAY_A_SECOND
