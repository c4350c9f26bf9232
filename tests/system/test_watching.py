"""What those see who watch a running service: real processes, their log lines, their figures."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers import Command, eventually, free_port
from tests.system.conftest import Start
from tests.system.load import listens
from tests.system.outcomes import children
from tests.training import MOONS, SEED_JOB

pytestmark = pytest.mark.system

AS_JSON = {"log_format": "json", "log_level": "INFO"}


@pytest.fixture
def api(start: Start) -> Iterator[tuple[Command, httpx.Client]]:
    """An API that logs JSON, and a client of it."""
    port = free_port()
    command = start("api", port=port, **AS_JSON)
    eventually(lambda: listens(port), what="the API answers")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield command, client


def lines_of(command: Command, **wanted: object) -> list[dict[str, Any]]:
    """The JSON lines of a process that have all the wanted members."""
    lines = [json.loads(line) for line in command.output.splitlines() if line.startswith("{")]
    return [line for line in lines if line.items() >= wanted.items()]


def figure(client: httpx.Client, name: str) -> float:
    """The sum of a figure's samples."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def test_a_requests_id_follows_its_job_into_the_workers_lines(
    api: tuple[Command, httpx.Client], start: Start
) -> None:
    command, client = api
    worker = start("worker", **AS_JSON)
    dataset = client.post("/api/v1/datasets", json={"sample": "moons", "options": MOONS}).json()["id"]
    body = {"dataset_id": dataset, **SEED_JOB}
    job = client.post("/api/v1/jobs", json=body, headers={"X-Request-ID": "req-of-ann"}).json()["id"]
    told = {"request_id": "req-of-ann"}
    (request,) = eventually(lambda: lines_of(command, event="request", **told))
    assert (request["route"], request["status"], request["owner"]) == ("/api/v1/jobs", 202, "local")
    (created,) = lines_of(command, event="job", **told)
    assert (created["job_id"], created["status"], created["reason"]) == (job, "queued", "created")
    eventually(lambda: lines_of(worker, event="job", status="succeeded", **told))
    statuses = [line["status"] for line in lines_of(worker, event="job", job_id=job, **told)]
    assert statuses == ["running", "succeeded"]
    # What the worker has trained is told within its next reports.
    eventually(lambda: figure(client, "gradhouse_training_steps_total") >= 21)
    eventually(lambda: client.get("/api/v1/status").json()["workers"])
    (present,) = client.get("/api/v1/status").json()["workers"]
    assert present["concurrency"] == 2
    assert sum(each["steps"] for each in present["processes"]) == 21


def test_counters_outlive_a_serving_process_that_is_killed(api: tuple[Command, httpx.Client]) -> None:
    command, client = api
    for _ in range(5):
        client.get("/api/v1/options")
    name = "gradhouse_http_request_seconds_count"
    before = figure(client, name)
    assert before >= 5
    for each in (serving := children(command.process.pid, sweeper=False)):
        os.kill(each, signal.SIGKILL)
    eventually(lambda: not set(serving) & set(children(command.process.pid, sweeper=False)))
    port = client.base_url.port
    assert port is not None
    eventually(lambda: listens(port), what="the API answers again")
    with httpx.Client(base_url=client.base_url) as again:
        assert figure(again, name) >= before
