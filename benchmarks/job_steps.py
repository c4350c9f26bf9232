"""Where the time of a tiny job goes: its steps one after the other in one process, each with its share."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.house import TINY_JOB
from service.app import create_app
from service.settings import Settings
from service.tables import batches
from service.tables.base import Database
from service.worker import work as working
from service.worker.bench import Bench, SharedFlag


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
    """A line a step: its median and its share of a job."""
    watch = Stopwatch()
    app = create_app(replace(settings, host="127.0.0.1"))
    parts, client = app.extensions["gradhouse"], app.test_client()
    bench = Bench.open(settings, SharedFlag())
    _watch(watch, parts, bench)
    for _ in range(count):
        with watch.of("POST, all of it"):
            client.post("/api/v1/jobs", json={"dataset_id": dataset, **TINY_JOB}).get_data()
        with watch.of("work, all of it"):
            working.work(bench)
    bench.close()
    parts.broker.close()
    parts.database.close()
    yield from _lines({name: statistics.median(seconds) for name, seconds in watch.seconds.items()})


def _watch(watch: Stopwatch, parts: object, bench: Bench) -> None:
    """Puts the stopwatch around what the steps call."""
    for owner, name, called in (
        (parts.database, "session", "commit"),  # type: ignore[attr-defined]  # Parts, kept as an extension
        (parts.broker, "send", "publish"),  # type: ignore[attr-defined]
        (batches, "claim", "claim"),
        (working.Training, "run", "train"),
        (batches, "succeed", "finish"),
    ):
        original = getattr(owner, name)
        if name == "session":
            setattr(owner, name, _watched_session(watch, owner, called))
        else:
            setattr(owner, name, _watched(watch, original, called))
    del bench


def _watched(watch: Stopwatch, function: object, name: str) -> object:
    def call(*args: object, **options: object) -> object:
        with watch.of(name):
            return function(*args, **options)  # type: ignore[operator]  # whatever is watched can be called

    return call


def _watched_session(watch: Stopwatch, database: Database, name: str) -> object:
    original = database.session

    @contextmanager
    def session() -> Iterator[object]:
        with watch.of(name), original() as db:
            yield db

    return session


def _lines(medians: dict[str, float]) -> Iterator[str]:
    post, work = medians.pop("POST, all of it"), medians.pop("work, all of it")
    medians["HTTP and checks"] = post - medians["commit"] - medians["publish"]
    medians["the rest of the work"] = work - medians["claim"] - medians["train"] - medians["finish"]
    for name in ("HTTP and checks", "commit", "publish", "claim", "train", "finish", "the rest of the work"):
        share = medians[name] / (post + work)
        yield f"  {name:<34} {medians[name] * 1e3:7.2f} ms   {share:5.0%}"
