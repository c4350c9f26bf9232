"""The log: one shape for every line."""

import json
import logging
from collections.abc import Iterator

import pytest

from service.settings import Settings
from service.telemetry import bound_contextvars, configure_logging, get_logger


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
