"""Schemathesis over /openapi.json, with all of its checks, against a real service that asks for keys.

Its examples, boundary values, random requests and chains of requests come as Alice; Bob is the other owner
whom it tries to show hers to. The short profile is run by `./dev test`, the long one by `./dev test --slow`.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.servers import Command, ValkeyServer, eventually, free_port
from tests.service.api.conftest import SEED_SAMPLE, SEED_SPEC

# Bounds that keep each request small, so that there can be many.
BOUNDS = {
    "GRADHOUSE_MAX_ROWS": "2000",
    "GRADHOUSE_MAX_BODY_BYTES": "2000000",
    "GRADHOUSE_MAX_WORK": "1e8",
    "GRADHOUSE_MAX_SECONDS": "2",
    "GRADHOUSE_STREAM_SECONDS": "0.3",
    "GRADHOUSE_REQUIRE_KEYS": "1",
    "GRADHOUSE_LOG_LEVEL": "WARNING",
}
# What these take depends on data that no schema can name: the columns of a dataset, the inputs of a model,
# the names in an expression, a digest, a binary tensor's bytes. Elsewhere a request that its schema allows
# must not be refused.
BOUND_TO_DATA = (
    "POST /api/v1/datasets",
    "POST /api/v1/datasets:preview",
    "POST /api/v1/expressions",
    "POST /api/v1/jobs",
    "POST /api/v1/jobs:validate",
    "POST /api/v1/models",
    "POST /api/v1/models/{model}/batch-predictions",
    "POST /api/v1/models/{model}/evaluations",
    "POST /api/v1/models/{model}/gradients",
    "POST /api/v1/models/{model}/graph",
    "POST /api/v1/models/{model}/predictions",
    "POST /api/v1/models/{model}/trace",
    "POST /v1/models/{model}:explain",
    "POST /v1/models/{model}:predict",
    "POST /v2/models/{model}/infer",
    "POST /v2/models/{model}/versions/{number}/infer",
    "GET /api/v1/models",  # least and most go with metric only
    "GET /api/v1/models/{model}/graph",
    "GET /api/v1/models/{model}/predictions",
    "GET /api/v1/models/{model}/surface",
    "GET /api/v1/jobs/{job_id}/events",  # Last-Event-ID is text, and must be an id
    "GET /api/v1/jobs/{job_id}/steps/{step}",
    "PUT /api/v1/models/{name}/aliases/{alias}",  # an integer is written 2, not 2.0
)
USUAL = ["2xx", "3xx", "401", "403", "404", "409", "410", "429", "5xx"]
CONFIG = """\
[auth.wfc]
path = "auth.yaml"
peers = ["alice", "bob"]

[generation]
allow-x00 = false

[checks.negative_data_rejection]  # what is too large is refused before it is read
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429", "5xx"]

[checks.positive_data_acceptance]
expected-statuses = {usual}

[[operations]]
include-name = {names}
checks.positive_data_acceptance.expected-statuses = {statuses}
"""


@dataclass(frozen=True)
class Judged:
    """The service, and a folder in which schemathesis finds its configuration."""

    url: str
    folder: Path
    key: str  # Alice's

    def run(self, *options: str) -> tuple[int, str]:
        """How many requests schemathesis has generated, and what it says; fails unless all went well."""
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{self.url}/openapi.json", "--no-color"]
        command += ["--checks", "all", "--request-timeout", "30", "--generation-database", "none", *options]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-20_000:]
        counted = re.search(r"([\d,]+) generated", done.stdout)
        assert counted, done.stdout
        return int(counted[1].replace(",", "")), done.stdout


@pytest.fixture
def tested(tmp_path: Path, shared_valkey: ValkeyServer) -> Iterator[Judged]:
    """API and worker of their own, with two owners."""
    port = free_port()
    where = {"GRADHOUSE_DATA_DIR": str(tmp_path / "data"), "GRADHOUSE_BROKER_URL": shared_valkey.url}
    environment = {**BOUNDS, **where, "GRADHOUSE_PORT": str(port)}
    keys = {owner: _key(owner, environment, tmp_path) for owner in ("alice", "bob")}
    entries = [
        f'  - name: {owner}\n    fixedHeaders:\n      - name: Authorization\n        value: "Bearer {key}"\n'
        for owner, key in keys.items()
    ]
    (tmp_path / "auth.yaml").write_text("auth:\n" + "".join(entries))
    (tmp_path / "schemathesis.toml").write_text(
        CONFIG.format(
            usual=_array(USUAL), names=_array(BOUND_TO_DATA), statuses=_array([*USUAL, "400", "422"])
        )
    )
    parts = [
        Command(name, environment=environment, log=tmp_path / f"{name}.log") for name in ("api", "worker")
    ]
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: _ready(url), what="the API answers")
    _furnish(url, keys["alice"])
    yield Judged(url, tmp_path, keys["alice"])
    for part in parts:
        part.stop()
    for part in parts:
        part.close()


def _array(words: "tuple[str, ...] | list[str]") -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _key(owner: str, environment: dict[str, str], folder: Path) -> str:
    command = Command(
        "keys", "create", "--owner", owner, environment=environment, log=folder / f"{owner}.key"
    )
    assert command.process.wait(60) == 0, command.output
    return command.output.strip()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _furnish(url: str, key: str) -> dict[str, str]:
    """Gives Alice a dataset, a finished job and its model: their ids by the name of the path's parameter."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as client:  # of a busy machine
        dataset = client.post("/datasets", json=SEED_SAMPLE).json()["id"]
        job = client.post("/jobs", json={"dataset_id": dataset, **SEED_SPEC}).json()["id"]
        eventually(lambda: client.get(f"/jobs/{job}").json()["done"], what="the job is done")
        model = client.get(f"/jobs/{job}").json()["model_id"]
    return {"dataset_id": dataset, "job_id": job, "model": model}


def _pinned(tested: Judged) -> None:
    """Makes every operation on a thing meet a new one of Alice's: the others may be deleted already."""
    config = tested.folder / "schemathesis.toml"
    lines = [f'{name} = "{value}"' for name, value in _furnish(tested.url, tested.key).items()]
    config.write_text(config.read_text() + "\n[parameters]\n" + "\n".join(lines) + "\n")


@pytest.mark.system
def test_a_few_requests_of_every_kind_keep_the_contract(tested: Judged) -> None:
    count, said = tested.run("-n", "2", "--phases", "examples,fuzzing,stateful", "--seed", "1")
    assert count > 200, said


@pytest.mark.slow
@pytest.mark.system
def test_thousands_of_requests_keep_the_contract(tested: Judged) -> None:
    strangers, _ = tested.run("-n", "30")
    _pinned(tested)
    known, _ = tested.run("-n", "20", "--exclude-method", "DELETE")
    assert strangers + known >= 5_000
