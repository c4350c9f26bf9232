"""Mixed load on a whole service for minutes: `./dev bench load [--seconds 600]`.

`gradhouse up` and the users (Locust, a process of its own) share this machine. First the mix as fast as it
is answered: the measured maximum. Then 80 % of it, for as long as asked: throughput, latencies by kind,
errors, lost jobs, and the memory of each process second by second. Then 200 viewers at once, and 10,000
waiting jobs.
"""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
import psutil

from service.settings import Settings
from service.tables import jobs, queue
from service.tables.base import LOCAL_OWNER, Database
from tests.servers import Command, eventually, free_port

USERS = 16
PACED_USERS = 64  # who waits for a slow answer asks less: others must be there to keep the pace
SHARE = 0.8
VIEWERS = 200
MIB = 2**20


@dataclass
class Service:
    """`gradhouse up`, its clients, and what its processes hold."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        variables = {"GRADHOUSE_LOG_LEVEL": "WARNING", "GRADHOUSE_MAX_QUEUED": "100000"}
        words = ("up", "--data-dir", str(self.folder), "--port", str(self.port))
        self.command = Command(*words, environment=variables, log=self.folder.with_name("up.log"))
        eventually(self._ready, seconds=60, what="ready")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz").is_success
        except httpx.TransportError:
            return False

    def client(self) -> httpx.Client:
        """A client that keeps its connection."""
        return httpx.Client(base_url=f"{self.address}/api/v1", timeout=60)

    def memory(self) -> dict[str, float]:
        """The MiB that each process holds for itself, by what it is."""
        found: dict[str, float] = {}
        for each in psutil.Process(self.command.process.pid).children(recursive=True):
            try:
                words, parent = each.cmdline(), each.ppid()
                own = each.memory_full_info().uss / MIB
            except psutil.Error:
                continue
            kinds = [
                kind for kind in ("valkey", "sweeper", "worker", "api") if any(kind in word for word in words)
            ]
            kind = kinds[0] if kinds else Path(words[0]).name
            child = parent != self.command.process.pid and kind in {"worker", "api"}
            found[f"{kind}{' child' if child else ''} {each.pid}"] = own
        return found


@dataclass(eq=False)
class Sampler(threading.Thread):
    """The memory of all processes, once a second."""

    service: Service
    samples: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def run(self) -> None:
        """Samples until it is over."""
        while not self.over.wait(1):
            self.samples.append(self.service.memory())


def prepare(service: Service) -> dict[str, str]:
    """A dataset, and a model to ask."""
    with service.client() as http:
        dataset = http.post("/datasets", json={"sample": "moons", "options": {"n_samples": 100}}).json()["id"]
        job = http.post(
            "/jobs", json={"dataset_id": dataset, "target": "y", "model": {"name": "load"}}
        ).json()["id"]
        eventually(lambda: http.get(f"/jobs/{job}").json()["status"] == "succeeded", seconds=60)
    return {"LOAD_DATASET": dataset, "LOAD_MODEL": "load"}


def locust(service: Service, variables: dict[str, str], seconds: float, rate: float) -> list[dict[str, str]]:
    """Runs the users at so many tasks a second, 0: as many as go; a row a kind of request."""
    users = PACED_USERS if rate else USERS
    out = service.folder.with_name("users")
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("load_users.py"))]
    command += ["--headless", f"-u{users}", f"-r{users}", f"-t{seconds:.0f}s", "--host", service.address]
    command += ["--csv", str(out), "--only-summary", "--loglevel", "ERROR", "--exit-code-on-error", "0"]
    environment = {**os.environ, **variables, "LOAD_RATE": str(rate / users)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with Path(f"{out}_failures.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            click.echo(f"  failed: {row['Name']} {row['Error']} x {row['Occurrences']}")
    with Path(f"{out}_stats.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(rows: list[dict[str, str]]) -> float:
    """Prints Locust's table; the requests a second of all."""
    click.echo(f"  {'':18}{'requests':>10}{'failed':>8}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for row in rows:
        numbers = (row["Request Count"], row["Failure Count"], float(row["Requests/s"]))
        times = (float(row["50%"]), float(row["99%"]), float(row["Max Response Time"]))
        click.echo("  {:18}{:>10}{:>8}{:9.1f}{:9.0f}{:9.0f}{:9.0f}".format(row["Name"], *numbers, *times))
    return float(rows[-1]["Requests/s"])


def report_memory(samples: list[dict[str, float]]) -> None:
    """Prints how each process has grown from the end of the first minute (or quarter) to the end."""
    first = min(60, len(samples) // 4)
    for name in samples[-1]:
        series = [sample[name] for sample in samples if name in sample]
        begin = statistics.median(series[first : first + 10] or series[:1])
        end = statistics.median(series[-10:])
        click.echo(f"  {name:24}{begin:8.1f} MiB → {end:8.1f} MiB   {100 * (end / begin - 1):+6.1f} %")
    totals = [sum(sample.values()) for sample in samples]
    begin, end = statistics.median(totals[first : first + 10] or totals[:1]), statistics.median(totals[-10:])
    click.echo(f"  {'all':24}{begin:8.1f} MiB → {end:8.1f} MiB   {100 * (end / begin - 1):+6.1f} %")


def require_no_loss(service: Service, file: Path) -> None:
    """Waits until every accepted job is done, and says how many there are of each end."""
    ids = file.read_text(encoding="ascii").split()
    with service.client() as http:

        def left() -> bool:
            return any(
                http.get("/jobs", params={"status": each, "limit": 1}).json()["data"] for each in _OPEN
            )

        eventually(lambda: not left(), seconds=300, what="all jobs are done")
        found = {job["id"]: job["status"] for job in _all_jobs(http)}
    ends = [found.get(each, "lost") for each in ids]
    counts = {each: ends.count(each) for each in sorted(set(ends))}
    click.echo(f"  accepted jobs: {len(ids)}; their ends: {counts}")


def _all_jobs(http: httpx.Client) -> Iterator[dict[str, str]]:
    after = None
    while True:
        page = http.get("/jobs", params={"limit": 1000} | ({"after": after} if after else {})).json()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = page["next"]


_OPEN = ("queued", "running")


@contextmanager
def viewers(service: Service, job: str) -> Iterator[list[int]]:
    """So many open a job's stream at once, and stay; the statuses that they got."""
    statuses: list[int] = []
    over = threading.Event()

    def view() -> None:
        headers = {"Accept": "text/event-stream"}
        with httpx.Client(timeout=60) as http:
            while not over.is_set():
                with http.stream(
                    "GET", f"{service.address}/api/v1/jobs/{job}/events", headers=headers
                ) as answer:
                    statuses.append(answer.status_code)
                    if answer.status_code == 200:
                        for _ in answer.iter_raw():
                            if over.is_set():
                                return
                over.wait(5)  # as the refusal asks

    threads = [threading.Thread(target=view, daemon=True) for _ in range(VIEWERS)]
    for each in threads:
        each.start()
    try:
        yield statuses
    finally:
        over.set()


def timed(http: httpx.Client, method: str, path: str, count: int, **options: object) -> str:
    """p50 and p99 of one request after the other, in words."""
    took = []
    for _ in range(count):
        started = time.perf_counter()
        http.request(method, path, **options).raise_for_status()  # type: ignore[arg-type]  # passed on
        took.append((time.perf_counter() - started) * 1e3)
    took.sort()
    return f"p50 {took[len(took) // 2]:6.2f} ms   p99 {took[int(len(took) * 0.99)]:6.2f} ms"


def counted(values: list[int]) -> str:
    """How often each value comes, in words."""
    return ", ".join(f"{each} x {values.count(each)}" for each in sorted(set(values)))


def with_viewers(service: Service, dataset: str) -> None:
    """One row's prediction without and with 200 viewers."""
    click.echo(f"{VIEWERS} viewers of one training:")
    body = {"json": {"instances": [[0.5, -0.2]]}}
    with service.client() as http:
        long = {
            "dataset_id": dataset,
            "target": "y",
            "training": {"epochs": 1_000_000, "early_stopping": None},
        }
        job = http.post("/jobs", json={**long, "model": {"hidden_layers": [256, 256]}}).json()["id"]
        eventually(lambda: http.get(f"/jobs/{job}").json()["status"] == "running")
        click.echo(
            f"  predictions before      {timed(http, 'POST', '/models/load/predictions', 500, **body)}"
        )
        with viewers(service, job) as statuses:
            eventually(lambda: len(statuses) >= VIEWERS, seconds=60)
            with_them = timed(http, "POST", "/models/load/predictions", 500, **body)
            click.echo(f"  with {VIEWERS} viewers        {with_them}")
            click.echo(f"  the viewers got         {counted(statuses)}")
        http.post(f"/jobs/{job}/cancel")


def with_backlog(service: Service, dataset: str, count: int) -> None:
    """Listing and polling while so many jobs wait."""
    click.echo(f"{count} jobs wait:")
    with service.client() as http:
        spec = http.post("/jobs:validate", json={"dataset_id": dataset, "target": "y"}).json()["spec"]
        spec["training"]["epochs"] = 1_000_000  # they stay there while we look
        database = Database(Settings(data_dir=service.folder).database)
        with database.session() as db:
            added = [queue.add(db, owner=LOCAL_OWNER, dataset_id=dataset, spec=spec).id for _ in range(count)]
        click.echo(f"  a list of 20 jobs       {timed(http, 'GET', '/jobs?limit=20', 300)}")
        click.echo(f"  the queued ones         {timed(http, 'GET', '/jobs?limit=20&status=queued', 300)}")
        click.echo(f"  a poll of the last      {timed(http, 'GET', f'/jobs/{added[-1]}', 300)}")
        click.echo(f"  a poll of the first     {timed(http, 'GET', f'/jobs/{added[0]}', 300)}")
        with database.session() as db:
            jobs.move(db, jobs.Status.CANCELED, jobs.IS_QUEUED, reason="cancel")
        database.close()


PARTS = ("load", "viewers", "backlog")


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long the load at 80 % lasts.")
@click.option(
    "--maximum-seconds", default=20.0, show_default=True, help="How long the maximum is looked for."
)
@click.option("--queued", default=10_000, show_default=True, help="Jobs that wait in the last part.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, help="Only these.")
def main(seconds: float, maximum_seconds: float, queued: int, parts: tuple[str, ...]) -> None:
    """Load a whole service with mixed traffic."""
    with tempfile.TemporaryDirectory(prefix="gh-load-") as name:
        service = Service(Path(name) / "data")
        service.start()
        try:
            variables = prepare(service)
            click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            if "load" in parts:
                mixed_load(service, variables, seconds, maximum_seconds)
            if "viewers" in parts:
                with_viewers(service, variables["LOAD_DATASET"])
            if "backlog" in parts:
                with_backlog(service, variables["LOAD_DATASET"], queued)
        finally:
            service.command.stop()
            service.command.close()
            click.echo("the service said:\n" + service.command.output[-2000:])


def mixed_load(service: Service, variables: dict[str, str], seconds: float, maximum_seconds: float) -> None:
    """The measured maximum, and then most of it for long."""
    jobs_file = service.folder.with_name("jobs")
    variables = {**variables, "LOAD_JOBS": str(jobs_file)}
    click.echo(f"{USERS} users, as fast as they are answered:")
    most = report(locust(service, variables, maximum_seconds, 0))
    require_no_loss(service, jobs_file)
    click.echo(f"{SHARE:.0%} of it for {seconds:.0f} s:")
    sampler = Sampler(service)
    sampler.start()
    report(locust(service, variables, seconds, SHARE * most))
    sampler.over.set()
    report_memory(sampler.samples)
    require_no_loss(service, jobs_file)


if __name__ == "__main__":
    main()
