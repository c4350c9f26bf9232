"""What the worker's tests share: a training process without Celery, datasets and jobs for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.data.samples import make_sample
from engine.spec import parse_spec
from service.settings import Settings
from service.storage import Storage
from service.tables import datasets, jobs
from service.tables.base import Database
from service.tables.jobs import Job
from service.worker.bench import Bench, SharedFlag

SEED_JOB: dict[str, Any] = {
    "target": "y",
    "preprocessing": {"scale": "none"},
    "split": {"validation": 0},
    "model": {
        "name": "moons",
        "hidden_layers": [{"units": 16, "activation": "tanh"}, {"units": 16, "activation": "tanh"}],
        "output_activation": "tanh",
        "init": {"scheme": "uniform", "low": -1.0, "high": 1.0},
    },
    "loss": "hinge",
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "schedule": {"name": "linear", "end_factor": 0.1},
    "training": {"epochs": 21, "batch_size": None, "seed": 1337, "early_stopping": None},
}
LONG_JOB = {**SEED_JOB, "training": {**SEED_JOB["training"], "epochs": 1_000_000}}

AddJob = Callable[..., Job]


@pytest.fixture
def open_bench(settings: Settings) -> Iterator[Callable[..., Bench]]:
    """Opens training processes with changed settings."""
    opened: list[Bench] = []

    def open_with(**changes: Any) -> Bench:
        opened.append(Bench.open(replace(settings, **changes), SharedFlag()))
        return opened[-1]

    yield open_with
    for bench in opened:
        bench.close()


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    """A training process."""
    return open_bench()


@pytest.fixture
def add_job(settings: Settings, database: Database) -> AddJob:
    """Adds the moons and a job on them."""
    table = make_sample("moons", {"n_samples": 100, "noise": 0.1, "random_state": 1337, "labels": [-1, 1]})
    data = table.to_parquet()
    digest = Storage(settings.datasets_dir).put(data)

    def add(body: dict[str, Any] = SEED_JOB, **training: Any) -> Job:
        document = {**body, "training": {**body["training"], **training}}
        spec = parse_spec(document, table.profile(), settings.engine_limits()).to_document()
        with database.session() as db:
            profile = table.profile().to_document()
            dataset = datasets.add(
                db, owner="local", name="moons", profile=profile, sha256=digest, size=len(data)
            )
            return jobs.add(db, owner="local", dataset_id=dataset.id, spec=spec)

    return add


@pytest.fixture
def dataset_file(settings: Settings) -> Callable[[], Path]:
    """Where the bytes of the only dataset lie."""
    return lambda: next(path for path in settings.datasets_dir.rglob("*") if path.is_file())
