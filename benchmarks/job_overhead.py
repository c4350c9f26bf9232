"""What safety costs: how much longer jobs take than they train, `python -m benchmarks.job_overhead`.

A job's wall time runs from the worker's claim to the committed end, through real processes: history,
checkpoints, snapshots, looks at the flags, heartbeats, the last transaction. Its training seconds are what
its trainer has counted around the compiled program. Each job is run before, so that nothing is compiled.
"""

import os
import time
from typing import Any

import click
import httpx

from benchmarks.house import DATABASES, House, open_house
from service.settings import Settings
from service.tables.base import Database
from service.tables.jobs import Job
from service.telemetry import configure_logging

GOAL, SHORTEST_SECONDS = 0.05, 5.0
EPOCHS_AT_MOST = 1_000_000


def _job(units: list[int], epochs: int, batch_size: int | None = None, **optimizer: Any) -> dict[str, Any]:
    return {
        "split": {"validation": 0},
        "model": {"hidden_layers": units},
        "optimizer": optimizer,
        "training": {"epochs": epochs, "batch_size": batch_size, "early_stopping": None},
    }


SGD: dict[str, Any] = {"name": "sgd", "learning_rate": 0.01}
ADAM: dict[str, Any] = {"name": "adam", "learning_rate": 1e-4}
WORKLOADS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "epochs of some microseconds": (
        {"sample": "moons", "options": {"n_samples": 24}},
        "y",
        _job([2], EPOCHS_AT_MOST, **SGD),
    ),
    "100 rows, 16 + 16 units": (
        {"sample": "moons", "options": {"n_samples": 100}},
        "y",
        _job([16, 16], EPOCHS_AT_MOST, **SGD),
    ),
    "digits, 128 units, batches": ({"sample": "digits"}, "target", _job([128], 5_000, 32, **ADAM)),
    "a million parameters": ({"sample": "digits"}, "target", _job([1024, 900], 80, 256, **ADAM)),
}


def run(http: httpx.Client, dataset: str, target: str, body: dict[str, Any]) -> str:
    """Posts a job and waits for its success; its id."""
    job = http.post("/jobs", json={"dataset_id": dataset, "target": target, **body}).raise_for_status().json()
    while not job["done"]:
        time.sleep(0.2)
        job = http.get(f"/jobs/{job['id']}").raise_for_status().json()
    if job["status"] != "succeeded":
        raise click.ClickException(f"{job['id']} is {job['status']}: {job['error']}")
    return str(job["id"])


def measure(house: House, database: Database, name: str) -> str:
    """A line: what a job took beside its training."""
    data, target, body = WORKLOADS[name]
    with house.client() as http:
        dataset = http.post("/datasets", json=data).raise_for_status().json()["id"]
        for epochs in (2, 2, body["training"]["epochs"]):  # two children: each compiles once
            job_id = run(http, dataset, target, {**body, "training": {**body["training"], "epochs": epochs}})
    with database.reading() as db:
        job = db.get_one(Job, job_id)
    assert job.started_at is not None
    assert job.finished_at is not None
    share = (job.finished_at - job.started_at).total_seconds() / job.seconds - 1
    epoch = f"{job.seconds / job.epoch * 1e6:.1f} us"
    judged = job.seconds > SHORTEST_SECONDS
    verdict = f"   (the goal is {GOAL:.0%})" if judged and share > GOAL else ""
    return (
        f"  {name:<30} {job.seconds:5.1f} s of training, {epoch:>12} an epoch: {share:5.1%} on top{verdict}"
    )


@click.command()
@click.option("--database", "kinds", multiple=True, type=click.Choice(DATABASES), default=DATABASES)
def main(kinds: tuple[str, ...]) -> None:
    """Measure what jobs take beside their training."""
    configure_logging(Settings(log_level="WARNING"), "bench")
    click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for kind in kinds:
        click.echo(kind)
        with open_house(kind) as house, house.part("worker"):
            database = Database(house.settings.database)
            for name in WORKLOADS:
                click.echo(measure(house, database, name))
            database.close()


if __name__ == "__main__":
    main()
