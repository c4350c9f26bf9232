"""Mixed load on a whole service for minutes: `./dev bench load [--seconds 600]`.

`gradhouse up` and the users (Locust, a process of its own) share this machine. Minute by minute the mix as
fast as it is answered, the measured maximum, and then 80 % of it, for as long as asked: throughput, latencies
by kind, errors, lost jobs, and the memory of each process. Then 200 viewers at once, and 10,000 waiting jobs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from benchmarks.load_locust import FIRST_SECONDS, PACED_USERS, USERS, Figures, locust
from benchmarks.load_service import SAMPLED_SECONDS, Sampler, Service, running
from service.tables import jobs, queue
from service.tables.base import LOCAL_OWNER, Database
from tests.servers import eventually

SHARE = 0.8
ROUND_SECONDS = 60.0
VIEWERS = 200
VIEWING_SECONDS, LOOKING_SECONDS = 15.0, 2.0


def prepare(service: Service) -> dict[str, str]:
    """A dataset, and a model to ask."""
    with service.client() as http:
        dataset = http.post("/datasets", json={"sample": "moons", "options": {"n_samples": 100}}).json()["id"]
        job = http.post(
            "/jobs", json={"dataset_id": dataset, "target": "y", "model": {"name": "load"}}
        ).json()["id"]
        eventually(lambda: http.get(f"/jobs/{job}").json()["status"] == "succeeded", seconds=60)
    return {"LOAD_DATASET": dataset, "LOAD_MODEL": "load"}


def report_memory(samples: list[dict[str, float]]) -> None:
    """Prints how each process has grown from the end of the first minute (or quarter) to the end."""
    first = min(round(60 / SAMPLED_SECONDS), len(samples) // 4)
    for name in samples[-1]:
        series = [sample[name] for sample in samples if name in sample]
        begin = statistics.median(series[first : first + 10] or series[:1])
        end = statistics.median(series[-10:])
        click.echo(f"  {name:24}{begin:8.1f} MiB → {end:8.1f} MiB   {100 * (end / begin - 1):+6.1f} %")
    totals = [sum(sample.values()) for sample in samples]
    begin, end = statistics.median(totals[first : first + 10] or totals[:1]), statistics.median(totals[-10:])
    click.echo(f"  {'all':24}{begin:8.1f} MiB → {end:8.1f} MiB   {100 * (end / begin - 1):+6.1f} %")


def wait_for_jobs(service: Service) -> None:
    """Waits until no job is left to be done."""
    with service.client() as http:

        def left() -> bool:
            return any(
                http.get("/jobs", params={"status": each, "limit": 1}).json()["data"] for each in _OPEN
            )

        eventually(lambda: not left(), seconds=300, what="all jobs are done")


def require_no_loss(service: Service, file: Path) -> int:
    """Waits until every accepted job is done; raises where one has not succeeded."""
    ids = file.read_text(encoding="ascii").split()
    wait_for_jobs(service)
    with service.client() as http:
        found = {job["id"]: job["status"] for job in _all_jobs(http)}
    ends = [found.get(each, "lost") for each in ids]
    if any(end != "succeeded" for end in ends):
        raise click.ClickException(f"of {len(ids)} accepted jobs: {Counter(ends)}")
    return len(ids)


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
def beside(role: str, *words: str, heard: Callable[[str], object]) -> Iterator[subprocess.Popen[str]]:
    """A process of those who ask beside others, until the end of the block; what it says then is heard."""
    command = [sys.executable, "-m", f"benchmarks.load_{role}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process
        finally:
            process.terminate()
            heard(process.stdout.read().strip())


@contextmanager
def viewers(service: Service, job: str) -> Iterator[None]:
    """So many look at a job during the block."""
    events = f"{service.address}/api/v1/jobs/{job}/events"
    words = (events, str(VIEWERS))
    with beside("viewers", *words, heard=lambda said: click.echo(f"  they got {said}")) as pages:
        assert pages.stdout is not None
        pages.stdout.readline()  # when each has had a first answer
        yield


def timed(http: httpx.Client, method: str, path: str, seconds: float, **options: object) -> str:
    """p50 and p99 of one request after the other for so long, in words."""
    took, until = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < until:
        http.request(method, path, **options).raise_for_status()  # type: ignore[arg-type]  # passed on
        took.append((time.perf_counter() - started) * 1e3)
    took.sort()
    return f"p50 {took[len(took) // 2]:6.2f} ms   p99 {took[int(len(took) * 0.99)]:6.2f} ms"


def with_viewers(service: Service, dataset: str) -> None:
    """One row's prediction without and with 200 viewers."""
    click.echo(f"{VIEWERS} viewers of one training:")
    with service.client() as http:
        long = {
            "dataset_id": dataset,
            "target": "y",
            "training": {"epochs": 1_000_000, "early_stopping": None},
        }
        job = http.post("/jobs", json={**long, "model": {"hidden_layers": [256, 256]}}).json()["id"]
        eventually(lambda: http.get(f"/jobs/{job}").json()["status"] == "running")

        def predictions() -> str:
            body = {"instances": [[0.5, -0.2]]}
            return timed(http, "POST", "/models/load/predictions", VIEWING_SECONDS, json=body)

        click.echo(f"  predictions before      {predictions()}")
        with viewers(service, job):
            click.echo(f"  with {VIEWERS} viewers        {predictions()}")
        click.echo(f"  and after               {predictions()}")
        http.post(f"/jobs/{job}/cancel")


def with_backlog(service: Service, dataset: str, count: int) -> None:
    """Listing and polling while so many jobs wait."""
    click.echo(f"{count} jobs wait:")
    with service.client() as http:
        spec = http.post("/jobs:validate", json={"dataset_id": dataset, "target": "y"}).json()["spec"]
        spec["training"]["epochs"] = 1_000_000  # they stay there while we look
        database = Database(service.database)
        with database.session() as db:
            added = [queue.add(db, owner=LOCAL_OWNER, dataset_id=dataset, spec=spec).id for _ in range(count)]
        click.echo(f"  a list of 20 jobs       {timed(http, 'GET', '/jobs?limit=20', LOOKING_SECONDS)}")
        click.echo(
            f"  the queued ones         {timed(http, 'GET', '/jobs?limit=20&status=queued', LOOKING_SECONDS)}"
        )
        click.echo(f"  a poll of the last      {timed(http, 'GET', f'/jobs/{added[-1]}', LOOKING_SECONDS)}")
        click.echo(f"  a poll of the first     {timed(http, 'GET', f'/jobs/{added[0]}', LOOKING_SECONDS)}")
        with database.session() as db:
            jobs.move(db, jobs.Status.CANCELED, jobs.IS_QUEUED, reason="cancel")
        database.close()


PARTS = ("load", "viewers", "backlog")


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long the load at 80 % lasts.")
@click.option(
    "--maximum-seconds", default=10.0, show_default=True, help="How long it is looked for, each minute."
)
@click.option("--queued", default=10_000, show_default=True, help="Jobs that wait in the last part.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS, help="Only these.")
@click.option("--postgresql", is_flag=True, help="With a PostgreSQL that waits for the disk, and a Valkey.")
def main(
    seconds: float, maximum_seconds: float, queued: int, parts: tuple[str, ...], *, postgresql: bool
) -> None:
    """Load a whole service with mixed traffic."""
    with tempfile.TemporaryDirectory(prefix="gh-load-") as name:
        with running(Path(name) / "data", postgresql=postgresql) as service:
            variables = prepare(service)
            click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            if "load" in parts:
                mixed_load(service, variables, seconds, maximum_seconds)
            if "viewers" in parts:
                with_viewers(service, variables["LOAD_DATASET"])
            if "backlog" in parts:
                with_backlog(service, variables["LOAD_DATASET"], queued)
        click.echo("the service said:\n" + service.command.output[-2000:])


def mixed_load(service: Service, variables: dict[str, str], seconds: float, maximum_seconds: float) -> None:
    """Minute by minute the measured maximum, and then most of it: other tenants change a machine's speed."""
    jobs_file = service.folder.with_name("jobs")
    variables = {**variables, "LOAD_JOBS": str(jobs_file)}
    fastest, paced, polls = Figures(), Figures(), list[float]()
    rounds = max(1, round(seconds / ROUND_SECONDS))
    sampler = Sampler(service)
    sampler.start()
    for number in range(1, rounds + 1):
        most = locust(service, variables, maximum_seconds, 0)
        wait_for_jobs(service)
        with probed(service, jobs_file, polls) as lately:
            kept = locust(service, variables, seconds / rounds, SHARE * most.tasks_a_second)
        pace = f"{most.tasks_a_second:5.0f} tasks a second at most, then {kept.tasks_a_second:5.0f}"
        times = f"polls p99 {kept.quantile('poll', 0.99):4.0f} ms, the probe's {quantile(lately, 0.99):6.1f}"
        click.echo(f"  {number:3}: {pace}; {times}")
        fastest.add(most)
        paced.add(kept)
    sampler.over.set()
    click.echo(f"{USERS} users, as fast as they are answered, {fastest.seconds:.0f} s in all:")
    fastest.report()
    click.echo(f"{PACED_USERS} users at {SHARE:.0%} of it, {paced.seconds:.0f} s in all:")
    paced.report()
    times = f"p50 {quantile(polls, 0.5):.1f} ms, p99 {quantile(polls, 0.99):.1f} ms, max {max(polls):.0f} ms"
    click.echo(f"  the probe: {len(polls)} polls, {times}")
    report_memory(sampler.samples)
    click.echo(f"  {require_no_loss(service, jobs_file)} jobs were accepted, and all succeeded")


@contextmanager
def probed(service: Service, jobs_file: Path, polls: list[float]) -> Iterator[list[float]]:
    """Polls beside the block, once its users are there; the ms of each are here and in `polls` behind it."""
    lately: list[float] = []
    words = (service.address, str(jobs_file), str(FIRST_SECONDS))
    with beside("probe", *words, heard=lambda said: lately.extend(map(float, said.split()))):
        yield lately
    polls += lately


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


if __name__ == "__main__":
    main()
