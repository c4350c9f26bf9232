"""Where the time of a tiny job goes: its steps one after the other in one process, each with its share.

`python -m benchmarks.job_steps`, or the end of `./dev bench jobs`. The job is the seed's own: 100 moons, two
layers of 16 tanh, 21 epochs of the whole batch. Everything is warm: what was compiled is at hand.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import click

from benchmarks.house import DATABASES, open_house
from service.app import create_app
from service.settings import Settings
from service.tables.base import Database
from service.telemetry import configure_logging
from service.worker import work as working
from service.worker.bench import Bench, SharedFlag
from service.worker.train import Training
from tests.engine.trainings import SEED_DOCUMENT

GOAL_SECONDS = 5e-3
"""What a worker may spend on the seed's job between its claim and its end, the database apart."""

POST, WORK = "POST, all of it", "work, all of it"
OF_POST, OF_WORK = ("commit", "publish"), ("claim", "prepare", "train", "result", "succeed")


class Stopwatch:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Adds what the block takes."""
        started = time.perf_counter()
        yield
        self.seconds[name].append(time.perf_counter() - started)


def steps(settings: Settings, dataset: str, count: int) -> Iterator[str]:
    """A line a step: its median and its share of a job; then what a worker adds to the database's time."""
    watch = Stopwatch()
    app = create_app(replace(settings, host="127.0.0.1"))
    parts, client = app.extensions["gradhouse"], app.test_client()
    bench = Bench.open(settings, SharedFlag())
    with _watched(watch, parts, bench):
        for turn in range(count + 1):
            if turn == 1:
                watch.seconds.clear()  # the first one has loaded and compiled what is at hand from now on
            with watch.of(POST):
                answer = client.post("/api/v1/jobs", json={"dataset_id": dataset, **SEED_DOCUMENT})
            if answer.status_code != 202:
                raise click.ClickException(answer.get_data(as_text=True))
            with watch.of(WORK):
                working.work(bench)
    bench.close()
    parts.broker.close()
    parts.database.close()
    yield from _lines(watch.seconds)


@contextmanager
def _watched(watch: Stopwatch, parts: object, bench: Bench) -> Iterator[None]:
    """Puts the stopwatch around what the steps call, for the block."""
    persist = bench.database.persist

    def transaction(work: partial[object], **options: float) -> object:
        with watch.of(work.func.__name__):  # commits included
            return persist(work, **options)

    seams = (
        (parts.database, "session", "commit"),  # type: ignore[attr-defined]  # Parts, kept as an extension
        (parts.broker, "send", "publish"),  # type: ignore[attr-defined]
        (Training, "__init__", "prepare"),
        (Training, "run", "train"),
        (Training, "_model", "result"),
    )
    originals = [getattr(owner, name) for owner, name, _ in seams]
    for (owner, name, called), original in zip(seams, originals, strict=True):
        watched = _watched_session if name == "session" else _watched_call
        setattr(owner, name, watched(watch, original, called))
    bench.database.persist = transaction  # type: ignore[assignment,method-assign]
    yield
    for (owner, name, _), original in zip(seams, originals, strict=True):
        setattr(owner, name, original)


def _watched_call(watch: Stopwatch, function: object, name: str) -> object:
    def call(*args: object, **options: object) -> object:
        with watch.of(name):
            return function(*args, **options)  # type: ignore[operator]  # whatever is watched can be called

    return call


def _watched_session(watch: Stopwatch, original: object, name: str) -> object:
    @contextmanager
    def session() -> Iterator[Database]:
        with watch.of(name), original() as db:  # type: ignore[operator]  # Database.session
            yield db

    return session


def _lines(seconds: dict[str, list[float]]) -> Iterator[str]:
    """The steps' medians, and that of what no database has a part in."""
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    medians["train"] -= medians["result"]  # which it ends with
    shown = {"HTTP and checks": medians[POST] - sum(medians[name] for name in OF_POST)}
    shown |= {name: medians[name] for name in (*OF_POST, *OF_WORK)}
    shown["the rest of the work"] = medians[WORK] - sum(medians[name] for name in OF_WORK)
    for name, each in shown.items():
        share = each / (medians[POST] + medians[WORK])
        yield f"  {name:<34} {each * 1e3:7.2f} ms   {share:5.0%}"
    ours = [
        work - sum(base)
        for work, *base in zip(*(seconds[k] for k in (WORK, "claim", "succeed")), strict=True)
    ]
    verdict = "" if statistics.median(ours) < GOAL_SECONDS else "   MISSED"
    yield (
        f"  {'claim to end, the database apart':<34} {statistics.median(ours) * 1e3:7.2f} ms, "
        f"at most {max(ours) * 1e3:.2f} (the goal is {GOAL_SECONDS * 1e3:.0f}){verdict}"
    )


@click.command()
@click.option("--jobs", "count", default=200, show_default=True)
@click.option("--database", "kinds", multiple=True, type=click.Choice(DATABASES), default=DATABASES)
def main(count: int, kinds: tuple[str, ...]) -> None:
    """Measure the steps of the seed's job."""
    configure_logging(Settings(log_level="WARNING"), "bench")
    for kind in kinds:
        with open_house(kind) as house:
            click.echo(f"{kind}: the share of each step, one process")
            for line in steps(house.settings, house.dataset(), count):
                click.echo(line)


if __name__ == "__main__":
    main()
