"""Rows for the tests of the tables: the least that a dataset and a job need."""

from typing import Any

from sqlalchemy.orm import Session

from service.tables import claims, datasets, queue
from service.tables.base import Database
from service.tables.claims import Claimed, Progress
from service.tables.datasets import Dataset
from service.tables.history import Block
from service.tables.jobs import Job

SPEC: dict[str, Any] = {"split": {}, "training": {"epochs": 10}}
SMALL: dict[str, Any] = {**SPEC, "features": ["x1", "x2"], "model": {"hidden_layers": [{"units": 8}]}}
MODEL: dict[str, Any] = {
    "name": "moons",
    "dataset_sha256": "a" * 64,
    "sha256": "b" * 64,
    "parameter_count": 3,
    "spec": SPEC,
    "metrics": {},
    "inputs": [],
    "classes": None,
    "parameters": b"parameters",
}


def add_dataset(db: Session, owner: str = "local") -> Dataset:
    """A dataset of nothing."""
    return datasets.add(db, owner=owner, name=None, profile={"row_count": 1}, sha256="a" * 64, size=1)


def add_job(
    database: Database,
    *,
    owner: str = "local",
    priority: str = "normal",
    name: str | None = None,
    spec: dict[str, Any] = SPEC,
    work: float | None = None,
) -> Job:
    """A queued job on a dataset of its own."""
    with database.session() as db:
        dataset = add_dataset(db, owner)
        facts: dict[str, Any] = {"priority": priority, "name": name, "work": work}
        return queue.add(db, owner=owner, dataset_id=dataset.id, spec=spec, **facts)


def claim(
    database: Database, worker: str = "w", *, claim_id: str | None = None, lease: float = 60
) -> Claimed | None:
    """What a worker gets that asks now."""
    with database.session() as db:
        return claims.claim_next(db, worker, claim_id=claim_id or f"{worker}-claim", lease_seconds=lease)


def must_claim(database: Database, worker: str = "w", *, lease: float = 60) -> Claimed:
    """The claim of a worker that must get one."""
    claimed = claim(database, worker, lease=lease)
    assert claimed is not None
    return claimed


def progress(epoch: int, *, first: int = 1, checkpoint: bytes | None = b"state") -> Progress:
    """Progress up to `epoch`, with history from `first`."""
    return Progress(
        since=first - 1,
        epoch=epoch,
        seconds=epoch / 10,
        blocks=[Block(first, epoch, b"rows")],
        checkpoint=checkpoint,
        latest={"epoch": epoch},
        executor="arrays",
        numerics="arrays-3",
    )


def read(database: Database, job_id: str) -> Job:
    """The job as it is now."""
    with database.reading() as db:
        return db.get_one(Job, job_id)
