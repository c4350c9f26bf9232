"""Several API processes on one database: what one deletes, moves or renames holds for all."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import eventually
from tests.system.service import Service
from tests.training import MOONS, SEED_JOB

pytestmark = pytest.mark.system

ROW = {"instances": [[0.5, -0.2]]}
ENOUGH = 24  # new connections in a row: by chance alone each process would have had one


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The service with three API processes and two versions of the moons."""
    variables = {"GRADHOUSE_LOG_LEVEL": "WARNING", "GRADHOUSE_API_PROCESSES": "3"}
    running = Service(tmp_path, variables)
    dataset = running.post("/datasets", {"sample": "moons", "options": MOONS})
    for _ in range(2):
        running.train(dataset, SEED_JOB)
    yield running
    running.close()


def ask(service: Service, reference: str) -> Any:
    """The status of a prediction over a connection of its own, and the version that gave it."""
    answer = httpx.post(f"{service.url}/api/v1/models/{reference}/predictions", json=ROW, timeout=10)
    return answer.status_code, answer.json().get("version")


def say_alike(service: Service, reference: str, wanted: Any) -> bool:
    """Says whether so many new connections all give the answer that is wanted."""
    return all(ask(service, reference) == wanted for _ in range(ENOUGH))


def test_whatever_happens_to_a_model_soon_holds_in_every_process(service: Service) -> None:
    aliases = "/models/moons/aliases/champion"
    service.client.put(aliases, json={"version": 1}).raise_for_status()
    assert say_alike(service, "moons@champion", (200, 1))
    service.client.put(aliases, json={"version": 2}).raise_for_status()
    eventually(lambda: say_alike(service, "moons@champion", (200, 2)), what="the alias has moved")
    service.client.patch("/models/moons@1", json={"name": "old"}).raise_for_status()
    eventually(lambda: say_alike(service, "moons@1", (404, None)), what="the name has moved")
    assert ask(service, "old") == (200, 1)
    assert service.client.delete("/models/moons").status_code == 204
    for reference in ("moons", "moons@2", "moons@champion"):
        eventually(lambda r=reference: say_alike(service, r, (404, None)), what=f"{reference} is gone")  # type: ignore[misc]


def test_predictions_under_load_end_in_an_answer_or_a_404(service: Service) -> None:
    seen: Counter[int] = Counter()
    gone, lock = threading.Event(), threading.Lock()

    def hammer() -> None:
        with httpx.Client(base_url=f"{service.url}/api/v1/models", timeout=10) as client:
            status = 200
            while status != 404 or not gone.is_set():
                status = client.post("/moons/predictions", json=ROW).status_code
                with lock:
                    seen[status] += 1

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: seen[200] > 100)
    for version in (2, 1):
        assert service.client.delete(f"/models/moons@{version}").status_code == 204
    gone.set()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert seen.keys() == {200, 404}
