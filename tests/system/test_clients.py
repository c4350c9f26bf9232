"""Other people's clients, unchanged, each in an environment of its own, against `gradhouse up`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environments import environment_with, output_of
from tests.system.service import Service
from tests.training import MOONS, SEED_JOB

pytestmark = [pytest.mark.system, pytest.mark.slow]

ROWS = [[0.5, -0.2], [-0.9, 0.9], [1.5, 0.1]]
PROGRAMS = Path(__file__).parent.parent / "clients"
IRIS_JOB = {"model": {"name": "iris", "hidden_layers": [4]}, "training": {"epochs": 5}}


DIVERGING_JOB: dict[str, Any] = {
    "task": "regression",
    "model": {"hidden_layers": []},
    "optimizer": {"name": "sgd", "learning_rate": 1000.0},
    "split": {"validation": 0},
    "training": {"epochs": 500, "batch_size": None},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with two models: the moons, whose hinge loss gives scores only, and iris."""
    running = Service(tmp_path_factory.mktemp("clients"), {"GRADHOUSE_LOG_LEVEL": "WARNING"})
    for sample, options, job in (("moons", MOONS, SEED_JOB), ("iris", {}, IRIS_JOB)):
        dataset = running.post("/datasets", {"name": sample, "sample": sample, "options": options})
        target = dataset["columns"][-1]["name"]
        assert running.train(dataset, {**job, "target": target})["status"] == "succeeded"
    yield running
    running.close()


def native(service: Service, model: str, rows: list[Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.post(f"/models/{model}/predictions", {"instances": rows})[
        "predictions"
    ]
    return found


def test_kserves_client_asks_by_both_protocols(service: Service, pytestconfig: pytest.Config) -> None:
    python = environment_with(pytestconfig, "kserve") / "python"
    words = (str(PROGRAMS / "kserve_client.py"), service.url, "moons", json.dumps(ROWS))
    found = json.loads(output_of(python, *words))
    expected = native(service, "moons", ROWS)
    assert (found["live"], found["server_ready"], found["ready"], found["v1_ready"]) == (True,) * 4
    assert (found["nobody"], found["refused"]) == (False, 422)
    assert found["predict"] == {"predictions": expected}
    for answer in (found["v2"], found["v2_binary"]):
        assert answer["scores"] == [each["scores"] for each in expected]
        assert answer["label"] == [str(each["label"]) for each in expected]
    gradients = service.post("/models/moons/gradients", {"instances": ROWS})["gradients"]
    assert [each["gradients"] for each in found["explain"]["explanations"]] == gradients


@pytest.mark.parametrize("binary", [False, True])
def test_mlservers_command_predicts_a_file_in_batches(
    service: Service, pytestconfig: pytest.Config, tmp_path: Path, *, binary: bool
) -> None:
    rows = [[5.0 + i / 10, 3.4, 1.0 + i / 3, i / 9] for i in range(20)]
    requests = [
        {"id": str(i), "inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": row}]}
        for i, row in enumerate(rows)
    ]
    (tmp_path / "requests").write_text("\n".join(map(json.dumps, requests)) + "\n")
    program = environment_with(pytestconfig, "mlserver") / "mlserver"
    words = ["infer", "-u", service.url.removeprefix("http://"), "-m", "iris", "-s", "7", "-w", "2"]
    words += ["-i", str(tmp_path / "requests"), "-o", str(tmp_path / "answers")]
    output_of(program, *words, *(["--binary-data"] if binary else []))
    answers = [json.loads(line) for line in (tmp_path / "answers").read_text().splitlines()]
    assert sorted(int(each["id"]) for each in answers) == list(range(20))
    expected = native(service, "iris", rows)
    for answer in answers:
        outputs = {each["name"]: each["data"] for each in answer["outputs"]}
        prediction = expected[int(answer["id"])]
        assert outputs["label"] == [prediction["label"]]
        assert outputs["probabilities"] == list(prediction["probabilities"].values())


def test_azures_poller_follows_a_job_to_its_end(service: Service, pytestconfig: pytest.Config) -> None:
    python = environment_with(pytestconfig, "azure-core", "requests") / "python"
    [dataset] = [each["id"] for each in service.get("/datasets")["data"] if each["name"] == "moons"]

    def poll(job: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"dataset_id": dataset, "target": "y", **job})
        words = (str(PROGRAMS / "azure_poller.py"), service.url, body)
        found: dict[str, Any] = json.loads(output_of(python, *words))
        return found

    ended = poll(SEED_JOB)
    assert (ended["status"], ended["result"]["status"]) == ("succeeded", "succeeded")
    assert ended["result"]["model_id"].startswith("mdl_")
    failed = poll(DIVERGING_JOB)
    assert (failed["status"], failed["error"][0]) == ("failed", "diverged")
    assert "epoch" in failed["error"][1]
