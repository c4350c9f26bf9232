"""Parts that start while their database is away: they wait for it, as one that crashes would not."""

from functools import partial

import httpx
import pytest

from service.tables.base import Database
from service.tables.schema import upgrade
from tests.servers import Command, PostgresServer, ValkeyServer, eventually, free_port
from tests.system.conftest import Start
from tests.system.load import listens
from tests.training import SEED_JOB

pytestmark = pytest.mark.system


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of settings that the test replaces
def test_api_and_worker_wait_for_a_database_that_comes_back(
    start: Start, fragile_postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    port, urls = free_port(), {"database_url": fragile_postgres.url("migrated"), "broker_url": valkey.url}
    database = Database(urls["database_url"], pool_size=1)
    upgrade(database)
    database.close()
    fragile_postgres.crash()
    api, worker = start("api", port=port, **urls), start("worker", **urls)
    for part in (api, worker):
        eventually(partial(_waits, part), what=part.output)
    assert not listens(port)
    fragile_postgres.restart()
    eventually(lambda: listens(port), what=api.output)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
        dataset = client.post("/datasets", json={"sample": "moons"}).json()
        job = client.post("/jobs", json={**SEED_JOB, "dataset_id": dataset["id"]}).json()
        eventually(
            lambda: client.get(f"/jobs/{job['id']}").json()["status"] == "succeeded", what=worker.output
        )
    assert (api.process.poll(), worker.process.poll()) == (None, None)


def _waits(part: Command) -> bool:
    assert part.process.poll() is None, part.output
    return part.output.count("database away, trying again") > 1
