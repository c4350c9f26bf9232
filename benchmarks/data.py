"""Large data through the whole service: seconds, and the peak memory of API and worker: `./dev bench data`.

A CSV of twenty columns (eighteen of numbers, one of words, one of classes) is uploaded over HTTP and is ready
when its dataset says so; then a million rows train, and a model predicts all of them as one job.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl

from benchmarks.house import House, open_house
from tests.servers import Command

NUMBERS = 18
ROWS_OF_A_MEGABYTE = 6_330
BOUNDS = {"max_body_bytes": 4_000_000_000, "max_rows": 50_000_000, "max_cells": 2_000_000_000}


@dataclass(frozen=True)
class Measured:
    """What one step took."""

    what: str
    seconds: float
    api_megabytes: float
    worker_megabytes: float


@click.command()
@click.option("--megabytes", default=(100, 1_000), multiple=True, show_default=True, help="Files to upload.")
@click.option("--rows", default=1_000_000, show_default=True, help="Rows to train on and to predict.")
@click.option("--epochs", default=5, show_default=True, help="Epochs of the training.")
def main(megabytes: tuple[int, ...], rows: int, epochs: int) -> None:
    """Upload, train and predict, and print what each step took."""
    with open_house("sqlite", **BOUNDS) as house, house.part("worker") as worker:
        bench = Bench(house, worker)
        print(f"{'':40}{'seconds':>9}{'API MB':>9}{'worker MB':>11}")
        for size in megabytes:
            with written(size * ROWS_OF_A_MEGABYTE) as path:
                bench.upload(path)
        with written(rows) as path:
            dataset = bench.upload(path)
        model = bench.train(dataset, epochs)
        bench.predict(dataset, model, rows)


@contextmanager
def written(rows: int) -> Iterator[Path]:
    """A CSV on the disk, written a million rows at a time at most."""
    with tempfile.TemporaryDirectory() as folder:
        path, draw = Path(folder) / "data.csv", np.random.default_rng(1)
        with path.open("wb") as file:
            for start in range(0, rows, 1_000_000):
                count = min(1_000_000, rows - start)
                numbers = {f"x{i}": draw.normal(size=count).round(5) for i in range(NUMBERS)}
                classes = (numbers["x0"] + numbers["x1"] * numbers["x2"] > 0).astype(int)
                words = draw.choice(["red", "green", "blue"], count)
                frame = pl.DataFrame(numbers | {"word": words, "y": classes})
                frame.write_csv(file, include_header=start == 0)
        yield path


class Bench:
    """A running service and its clock."""

    def __init__(self, house: House, worker: Command) -> None:
        self._house, self._http = house, house.client()
        self._processes = {"api": house.api, "worker": worker}

    def upload(self, path: Path) -> str:
        """Sends a file and waits until its dataset is ready; the dataset's id."""
        what = f"{path.stat().st_size / 1e6:,.0f} MB of CSV from upload to ready"
        with self._measured(what), path.open("rb") as file:
            headers = {"Content-Type": "text/csv", "Content-Length": str(path.stat().st_size)}
            answer = self._http.post("/datasets", content=_parts(file), headers=headers)
            made = answer.raise_for_status().json()
            while made["status"] == "validating":
                time.sleep(0.05)
                made = self._http.get(f"/datasets/{made['id']}").raise_for_status().json()
        if made["status"] != "ready":
            raise click.ClickException(f"the dataset is {made['status']}: {made['error']}")
        return str(made["id"])

    def train(self, dataset: str, epochs: int) -> str:
        """Trains a model of some moderate size; its id."""
        body = {"dataset_id": dataset, "target": "y", "training": {"epochs": epochs}}
        with self._measured(f"training, {epochs} epochs"):
            return str(self._done(self._http.post("/jobs", json=body))["model_id"])

    def predict(self, dataset: str, model: str, rows: int) -> None:
        """Predicts every row of a dataset as one job."""
        for kind in ("csv", "ndjson"):
            with self._measured(f"{rows:,} batch predictions as {kind}"):
                body = {"dataset_id": dataset, "format": kind, "columns": ["x0"]}
                self._done(self._http.post(f"/models/{model}/batch-predictions", json=body))

    def _done(self, answer: Any) -> dict[str, Any]:
        job: dict[str, Any] = answer.raise_for_status().json()
        while not job["done"]:
            time.sleep(0.05)
            job = self._http.get(f"/jobs/{job['id']}").raise_for_status().json()
        if job["status"] != "succeeded":
            raise click.ClickException(f"the job {job['status']}: {job['error']}")
        return job

    @contextmanager
    def _measured(self, what: str) -> Iterator[None]:
        """Prints the seconds of a block, and the peak of the largest process of each kind during it."""
        for command in self._processes.values():
            for process in _session(command):
                (process / "clear_refs").write_text("5")  # the peak begins anew
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        api, worker = (max(map(_peak, _session(each))) for each in self._processes.values())
        print(f"{what:40}{seconds:9.1f}{api:9.0f}{worker:11.0f}", flush=True)


def _parts(file: Any) -> Iterator[bytes]:
    while data := file.read(2**20):
        yield data


def _session(command: Command | None) -> list[Path]:
    """The processes of a command: it began a session of its own."""
    if command is None:
        return []
    leader = str(command.process.pid)
    return [path for path in Path("/proc").glob("[0-9]*") if _session_of(path) == leader]


def _session_of(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[3]
    except OSError:
        return ""  # it has ended


def _peak(process: Path) -> float:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


if __name__ == "__main__":
    main()
