"""What training at full load does to predictions: the same load on `gradhouse up`, idle and with jobs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx

from benchmarks.http_load import CONNECTIONS, Load, Measured, measure
from benchmarks.serving_servers import OURS, Server, serving
from service.settings import Settings

_JOB = {"training": {"epochs": 1_000_000, "early_stopping": None, "max_seconds": 300}}


def print_with_training(folder: Path, load: Load, seconds: float) -> None:
    """Two lines: predictions while nothing trains, and while each training process trains."""
    up = [str(Path(sys.executable).parent / "gradhouse"), "up", "--data-dir", str(folder), "--port", "PORT"]
    server = Server("gradhouse up", up, "/api/v1/models/bench/predictions", OURS)
    with serving(server, folder, load) as port:
        address = f"http://127.0.0.1:{port}"
        url = f"{address}{server.path}"
        idle = measure(url, load, folder, seconds)
        with httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client:
            jobs = _train(client, Settings().concurrency)
            busy = measure(url, load, folder, seconds)
            for job in jobs:
                client.post(f"/jobs/{job}/cancel")
    print(f"\n1 row, {CONNECTIONS} connections, all of `gradhouse up` on the machine")
    for name, got in (("nothing trains", idle), ("every training process trains", busy)):
        print(_line(name, got))
    print(f"p99 while training / idle: {busy.p99 / idle.p99:.1f}")


def _train(client: httpx.Client, count: int) -> list[str]:
    """Jobs that go on for longer than the measurement, all of them running."""
    dataset = client.post("/datasets", json={"sample": "digits"}).raise_for_status().json()["id"]
    body = {"dataset_id": dataset, "target": "target", **_JOB}
    jobs = [client.post("/jobs", json=body).raise_for_status().json()["id"] for _ in range(count)]
    while any(client.get(f"/jobs/{job}").json()["status"] != "running" for job in jobs):
        time.sleep(0.1)
    return jobs


def _line(name: str, got: Measured) -> str:
    return f"{name:42}{got.per_second:12.0f}{got.p50:10.2f}{got.p99:10.2f}"
