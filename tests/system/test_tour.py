"""The whole journey, as a user makes it: real processes, over HTTP, on both databases."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.servers import eventually
from tests.system.service import Service
from tests.training import MOONS, SEED_JOB

pytestmark = pytest.mark.system

SEED_LOSSES = {1: 0.7732538183378128, 11: 0.21790039451868812, 21: 0.17946586268211423}
SEED_ACCURACIES = {1: 0.68, 11: 0.91, 21: 0.94}


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    environment = {"GRADHOUSE_LOG_LEVEL": "WARNING"}
    if request.param == "postgresql":
        environment["GRADHOUSE_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    running = Service(tmp_path, environment)
    yield running
    running.close()


def test_the_journey_from_data_to_prediction_survives_a_restart(service: Service) -> None:
    dataset = service.post("/datasets", {"name": "moons", "sample": "moons", "options": MOONS})
    assert (dataset["status"], dataset["row_count"]) == ("ready", 100)
    job = service.train(dataset, SEED_JOB)
    assert (job["status"], job["attempt"], job["progress"]["fraction"]) == ("succeeded", 1, 1.0)
    assert [each["status"] for each in job["transitions"]] == ["queued", "running", "succeeded"]
    _check_the_seeds_numbers(service, job)
    model = service.get(f"/models/{job['model_id']}")
    assert (model["name"], model["version"], model["parameter_count"]) == ("moons", 1, 337)
    point = {"x1": 0.5, "x2": -0.2}
    before = service.get("/models/moons/predictions", **point)
    asked = service.post(f"/models/{model['id']}/predictions", {"instances": [point, [0.5, -0.2]]})
    assert asked["predictions"] == 2 * before["predictions"]

    started = time.monotonic()
    assert service.command.stop() == 0
    assert time.monotonic() - started < 3
    service.start()
    assert service.get(f"/jobs/{job['id']}") == job
    assert service.get(f"/models/{model['id']}") == model
    assert service.get("/models/moons/predictions", **point) == before
    second = service.train(dataset, SEED_JOB)
    again = service.get("/models/moons")
    assert (again["id"], again["version"]) == (second["model_id"], 2)
    assert again["sha256"] == model["sha256"]


def _check_the_seeds_numbers(service: Service, job: dict[str, Any]) -> None:
    rows = {row["epoch"]: row for row in service.get(f"/jobs/{job['id']}/history")["data"]}
    assert sorted(rows) == list(range(1, 22))
    for epoch, loss in SEED_LOSSES.items():
        assert rows[epoch]["train_loss"] == pytest.approx(loss, abs=1e-12)
        assert rows[epoch]["train_accuracy"] == SEED_ACCURACIES[epoch]
    assert job["latest"] == rows[21]


def test_a_csv_trains_with_all_defaults_and_a_running_job_is_canceled(service: Service) -> None:
    lines = ["size;kind", *(f"{n / 10};{'cat' if n < 50 else 'dog'}" for n in range(100))]
    headers = {"Content-Type": "text/csv"}
    response = service.client.post("/datasets", content="\n".join(lines), headers=headers)
    assert response.status_code == 201, response.text
    dataset = response.json()
    job = service.train(dataset, {"target": "kind", "model": {"name": "pets"}})
    assert job["status"] == "succeeded", job["error"]
    answers = service.post("/models/pets/predictions", {"instances": [[0.5], {"size": 9.5}]})
    assert [each["label"] for each in answers["predictions"]] == ["cat", "dog"]

    long = {"target": "kind", "training": {"epochs": 1_000_000, "early_stopping": None}}
    posted = service.post("/jobs", {"dataset_id": dataset["id"], **long})
    eventually(lambda: service.get(f"/jobs/{posted['id']}")["status"] == "running")
    assert service.client.post(f"/jobs/{posted['id']}/cancel").status_code == 202
    eventually(lambda: service.get(f"/jobs/{posted['id']}")["status"] == "canceled", seconds=3)
    assert service.client.post(f"/jobs/{job['id']}/cancel").status_code == 409


def test_what_dies_is_started_again_and_nothing_outlives_the_supervisor(service: Service) -> None:
    children = {name: _child(service, name) for name in ("broker.sock", "cli api", "cli worker")}
    for name, process in children.items():
        assert process, f"no process {name}"
        os.kill(process, signal.SIGKILL)
        eventually(partial(_is_another, service, name, process), what=f"{name} is there again")
    eventually(service.is_ready, what=service.command.output)
    dataset = service.post("/datasets", {"sample": "moons", "options": MOONS})
    assert service.train(dataset, SEED_JOB)["status"] == "succeeded"
    assert "the api was killed by SIGKILL, starting it again" in service.command.output
    everyone = _descendants(service.command.process.pid)
    assert len(everyone) >= 6
    service.command.process.kill()
    service.command.process.wait(10)
    eventually(lambda: not any(_is_alive(each) for each in everyone), seconds=3)


def test_the_three_lines_that_it_prints_work_when_pasted(service: Service) -> None:
    printed = service.command.output
    lines = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    assert len(lines) == 3
    words = ["/bin/sh", "-e", "-c", "\n".join(lines)]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert re.search(r'"model_id": ?"mdl_', answer.stdout), answer.stdout


def _child(service: Service, words: str) -> int:
    """The process of the part whose command line holds these words; 0 when there is none."""
    found = [pid for pid in _children(service.command.process.pid) if words in _command_line(pid)]
    return found[0] if found else 0


def _is_another(service: Service, words: str, process: int) -> bool:
    return _child(service, words) not in {0, process}


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_descendants(child))]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
