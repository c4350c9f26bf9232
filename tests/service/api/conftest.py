"""The API through Flask's client, on a real database and broker; training runs in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.api.parts import Parts
from service.app import create_app
from service.settings import Settings
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.servers import ValkeyServer
from tests.service.api.answers import json_of
from tests.training import SEED_JOB

# The seed document's own training: small, quick, and its numbers are known.
SEED_SPEC = SEED_JOB
SEED_SAMPLE: dict[str, Any] = {
    "sample": "moons",
    "options": {"n_samples": 100, "noise": 0.1, "random_state": 1337, "labels": [-1, 1]},
}

Post = Callable[..., dict[str, Any]]


ON_BOTH_DATABASES = pytest.mark.parametrize("settings", ["sqlite_url", "postgres_url"], indirect=True)


@pytest.fixture
def settings(request: pytest.FixtureRequest, valkey: ValkeyServer, tmp_path: Path) -> Settings:
    """Settings that point at a database, a broker and a folder of the test's own.

    The database is SQLite; tests marked ON_BOTH_DATABASES run on PostgreSQL too.
    """
    return Settings(
        database_url=request.getfixturevalue(getattr(request, "param", "sqlite_url")),
        broker_url=valkey.url,
        data_dir=tmp_path / "data",
        max_body_bytes=100_000,
        max_instances=1_000,
        max_rows=1_000,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application, put together as it runs."""
    made = create_app(settings)
    yield made
    parts: Parts = made.extensions["gradhouse"]
    parts.database.close()
    parts.broker.close()
    parts.decoder.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application, whose bodies end where they should, as behind the real server."""
    made = app.test_client()
    made.environ_base["wsgi.input_terminated"] = "yes"
    return made


@pytest.fixture
def train(settings: Settings) -> Iterator[Callable[[], None]]:
    """Trains every job that waits, as a worker does."""
    benches: list[Bench] = []

    def train_all() -> None:
        if not benches:
            benches.append(Bench.open(settings, SharedFlag()))
        while work(benches[0]) is not None:
            pass

    yield train_all
    for bench in benches:
        bench.database.close()
        bench.broker.close()


@pytest.fixture
def dataset(client: FlaskClient) -> str:
    """The id of the seed's moons."""
    return str(json_of(client.post("/api/v1/datasets", json=SEED_SAMPLE))["id"])


@pytest.fixture
def post_job(client: FlaskClient, dataset: str) -> Post:
    """Posts the seed's training, with changes; gives the job."""

    def post(**changes: Any) -> dict[str, Any]:
        answer = client.post("/api/v1/jobs", json={"dataset_id": dataset, **SEED_SPEC, **changes})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = json_of(answer)
        return job

    return post


@pytest.fixture
def trained(client: FlaskClient, post_job: Post, train: Callable[[], None]) -> dict[str, Any]:
    """The seed's training once it is done: the job's document."""
    job_id = post_job()["id"]
    train()
    job: dict[str, Any] = json_of(client.get(f"/api/v1/jobs/{job_id}"))
    assert job["status"] == "succeeded", job
    return job
