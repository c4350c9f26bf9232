"""Jobs end to end over HTTP, on both databases: `./dev bench jobs [--jobs N] [--queued N] [--database KIND]`.

Tiny jobs (100 rows, 21 epochs, 16 units), so that all but the training shows. Client, API, worker and
database share the machine's cores, so the client is one that takes little of them. PostgreSQL syncs its log
to the disk, SQLite has the service's default.
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import click
import numpy as np

from benchmarks.house import DATABASES, TINY_JOB, Caller, House, open_house
from benchmarks.job_steps import steps
from engine.training.records.history import HistoryBlock
from service.settings import Settings
from service.tables import claims, history, queue
from service.tables.base import LOCAL_OWNER, Database
from service.tables.history import Block
from service.telemetry import configure_logging

SUBMITTERS = 4
BLOCK_EPOCHS = 4096


def submit(http: Caller, dataset: str) -> str:
    """Posts a tiny job; its id."""
    return str(http.post("/jobs", {"dataset_id": dataset, **TINY_JOB})["id"])


def throughput(house: House, dataset: str, count: int) -> tuple[float, float]:
    """Jobs a second from the first POST to the last success, and POSTs a second."""

    def submitted(share: int) -> list[str]:
        with house.caller() as http:
            return [submit(http, dataset) for _ in range(share)]

    with house.caller() as http, ThreadPoolExecutor(SUBMITTERS) as pool:
        started = time.perf_counter()
        ids = [job for share in pool.map(submitted, [count // SUBMITTERS] * SUBMITTERS) for job in share]
        posted = time.perf_counter() - started
        while any(http.get(f"/jobs?status={each}&limit=1")["data"] for each in _OPEN):
            time.sleep(0.02)
        took = time.perf_counter() - started
        _require_success(http, ids[-50:])
    return len(ids) / took, len(ids) / posted


_OPEN = ("queued", "running")


def _require_success(http: Caller, ids: Sequence[str]) -> None:
    for each in ids:
        status = http.get(f"/jobs/{each}")["status"]
        if status != "succeeded":
            raise click.ClickException(f"job {each} is {status}")


def latencies(house: House, dataset: str, count: int) -> dict[str, list[float]]:
    """Seconds from the POST's begin to its answer, to the worker's start and to success, of single jobs."""
    found: dict[str, list[float]] = {"answered": [], "started": [], "succeeded": []}
    with house.caller() as http:
        for _ in range(count):
            began, clock = time.time(), time.perf_counter()
            job_id = submit(http, dataset)
            found["answered"].append(time.perf_counter() - clock)
            while not (job := http.get(f"/jobs/{job_id}"))["done"]:
                time.sleep(0.002)
            found["succeeded"].append(time.perf_counter() - clock)
            found["started"].append(_epoch_of(job["started_at"]) - began)
    return found


def _epoch_of(moment: str) -> float:
    return float(np.datetime64(moment.rstrip("Z"), "us").astype("int64")) / 1e6


def polls(house: House, path: str, count: int = 500) -> list[float]:
    """Seconds of one GET after the other."""
    took = []
    with house.caller() as http:
        for _ in range(count):
            started = time.perf_counter()
            http.get(path)
            took.append(time.perf_counter() - started)
    return took


def fill(house: House, dataset: str, queued: int, history_rows: int) -> None:
    """Queues jobs and writes a history, straight into the tables."""
    database = Database(house.settings.database)
    with house.caller() as http:
        spec = http.get(f"/jobs/{submit(http, dataset)}")["spec"]
    with database.session() as db:
        for _ in range(queued):
            last = queue.add(db, owner=LOCAL_OWNER, dataset_id=dataset, spec=spec)
        for first in range(1, history_rows + 1, BLOCK_EPOCHS):
            columns = {"train_loss": np.linspace(1, 0, BLOCK_EPOCHS)}
            data = HistoryBlock(first_epoch=first, columns=columns).to_bytes()
            history.append(db, last.id, [Block(first, first + BLOCK_EPOCHS - 1, data)])
    database.close()


def plans(house: House) -> Iterator[str]:
    """How the database finds the next job, and what it reads for a poll, in its own words."""
    database = Database(house.settings.database)
    explain = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    order = "ORDER BY priority, turn, id LIMIT 1"
    for what, query in {
        "next job": f"SELECT id FROM jobs WHERE status = 'queued' {order}",
        "queue length": "SELECT count(priority) FROM jobs WHERE status = 'queued'",
        "events": "SELECT * FROM events WHERE job_id = 'job_1' AND id > 5 ORDER BY id",
        "history": "SELECT * FROM history_blocks WHERE job_id = 'job_1' AND last_epoch > 5",
    }.items():
        with database.engine.connect() as connection:
            steps = [str(row[-1]).strip() for row in connection.exec_driver_sql(f"{explain} {query}")]
        yield f"  plan of {what}: {'; '.join(steps)}"
    database.close()


def claim_seconds(house: House, full: frozenset[str] = frozenset(), count: int = 100) -> list[float]:
    """Seconds of a claim in a long queue, each undone; `full` owners may have no more running."""
    database, took = Database(house.settings.database), []
    for _ in range(count + 1):
        started = time.perf_counter()
        with database.session() as db:
            claimed = claims.claim_next(db, "bench", claim_id="bench", lease_seconds=60, full=full)
            took.append(time.perf_counter() - started)
        if claimed:
            database.persist(partial(claims.release, claimed=claimed, reason="bench"))
    database.close()
    return took[1:]  # the first connects


def told(name: str, seconds: Sequence[float]) -> str:
    """A line with the median and the slowest hundredth, in milliseconds."""
    p50, p99 = statistics.median(seconds) * 1e3, float(np.quantile(seconds, 0.99)) * 1e3
    return f"  {name:<38} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms"


@contextmanager
def section(title: str) -> Iterator[None]:
    """A heading, and how long what is under it took."""
    started = time.perf_counter()
    click.echo(f"\n{title}")
    yield
    click.echo(f"  ({time.perf_counter() - started:.1f} s)")


def measure(kind: str, count: int, queued: int) -> None:
    """All figures of one database."""
    with open_house(kind) as house:
        dataset = house.dataset()
        with house.part("worker"), section(f"{kind}: an idle service, one job at a time"):
            throughput(house, dataset, 40)  # what is loaded and compiled once is no figure
            for name, seconds in latencies(house, dataset, 100).items():
                click.echo(told(f"submit to {name}", seconds))
            with house.caller() as http:
                done = http.get("/jobs")["data"][0]["id"]
            click.echo(told("poll of a job", polls(house, f"/jobs/{done}")))
        with house.part("worker"), section(f"{kind}: {count} jobs by {SUBMITTERS} clients"):
            jobs_a_second, posts_a_second = throughput(house, dataset, count)
            click.echo(f"  {jobs_a_second:.0f} jobs a second end to end, {posts_a_second:.0f} POSTs a second")
        with section(f"{kind}: the share of each step, one process"):
            for line in steps(house.settings, dataset, 100):
                click.echo(line)
        with section(f"{kind}: {queued} jobs queued, a million rows of history"):
            fill(house, dataset, queued, 1_000_000)
            _with_backlog(house, dataset)
            for line in plans(house):
                click.echo(line)


def _with_backlog(house: House, dataset: str) -> None:
    with house.caller() as http:
        submitted = []
        for _ in range(100):
            started = time.perf_counter()
            last = submit(http, dataset)
            submitted.append(time.perf_counter() - started)
        before = http.get("/jobs?limit=101")["data"][-1]["id"]
    click.echo(told("submit", submitted))
    click.echo(told("poll of the last job", polls(house, f"/jobs/{last}")))
    page = f"/jobs/{before}/history?after=500000&limit=100"
    click.echo(told("a page of the history", polls(house, page, 100)))
    click.echo(told("claim", claim_seconds(house)))
    click.echo(told("claim where all wait for a full owner", claim_seconds(house, frozenset({LOCAL_OWNER}))))


@click.command()
@click.option("--jobs", "count", default=1000, help="jobs of the throughput measurement")
@click.option("--queued", type=click.IntRange(1), default=10_000, help="jobs waiting in the last measurement")
@click.option("--database", "kinds", multiple=True, type=click.Choice(DATABASES), default=DATABASES)
def main(count: int, queued: int, kinds: tuple[str, ...]) -> None:
    """Measure jobs end to end."""
    configure_logging(Settings(log_level="WARNING"), "bench")
    click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for kind in kinds:
        measure(kind, count, queued)


if __name__ == "__main__":
    main()
