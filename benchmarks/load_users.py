"""The users of `./dev bench load`, for Locust: what people and programs ask of the service, mixed.

Locust loads this file in a process of its own. What it must know comes in LOAD_* variables; the ids of the
jobs that were accepted go to the file LOAD_JOBS, so that afterwards each can be asked for.
"""

from __future__ import annotations

import os
import random
from collections import deque
from pathlib import Path

from locust import FastHttpUser, constant_throughput, task

API = "/api/v1"
DATASET, MODEL = os.environ["LOAD_DATASET"], os.environ["LOAD_MODEL"]
RATE = float(
    os.environ.get("LOAD_RATE", "0")
)  # requests a second of one user; 0: as fast as they are answered
TINY = {
    "dataset_id": DATASET,
    "target": "y",
    "split": {"validation": 0},
    "model": {"hidden_layers": [{"units": 16, "activation": "tanh"}]},
    "loss": "hinge",
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "training": {"epochs": 21},
}
CSV = "x1,x2,y\n" + "\n".join(f"{i / 100},{(i * 7) % 13},{i % 2}" for i in range(200))
ROWS = {"instances": [[i / 50 - 1, 0.2] for i in range(100)]}

accepted: deque[str] = deque(maxlen=200)
kept = Path(os.environ["LOAD_JOBS"]).open("a", buffering=1, encoding="ascii")  # noqa: SIM115 - as long as the process


class Mixed(FastHttpUser):
    """Half of all requests poll a job, a third predict, the others upload, post, list and follow."""

    wait_time = constant_throughput(RATE) if RATE else lambda _self: 0
    connection_timeout = network_timeout = 30.0

    def on_start(self) -> None:
        """Something to poll."""
        self.post_job()

    @task(50)
    def poll(self) -> None:
        """A job's state."""
        self.client.get(f"{API}/jobs/{random.choice(accepted)}", name="poll")

    @task(20)
    def predict_one(self) -> None:
        """One row."""
        self.client.post(
            f"{API}/models/{MODEL}/predictions", json={"instances": [[0.5, -0.2]]}, name="predict 1 row"
        )

    @task(10)
    def predict_many(self) -> None:
        """A hundred rows."""
        self.client.post(f"{API}/models/{MODEL}/predictions", json=ROWS, name="predict 100 rows")

    @task(5)
    def list_jobs(self) -> None:
        """The newest jobs."""
        self.client.get(f"{API}/jobs?limit=20", name="list jobs")

    @task(5)
    def history(self) -> None:
        """A job's curve."""
        self.client.get(f"{API}/jobs/{random.choice(accepted)}/history", name="history")

    @task(4)
    def post_job(self) -> None:
        """A tiny training."""
        answer = self.client.post(f"{API}/jobs", json=TINY, name="post job")
        if answer.status_code == 202:
            identity = answer.json()["id"]
            accepted.append(identity)
            kept.write(f"{identity}\n")

    @task(3)
    def upload(self) -> None:
        """A small CSV, and away with it: the disk shall not decide."""
        headers = {"Content-Type": "text/csv"}
        answer = self.client.post(f"{API}/datasets", data=CSV, headers=headers, name="upload")
        if answer.status_code == 201:
            self.client.delete(f"{API}/datasets/{answer.json()['id']}", name="delete dataset")

    @task(2)
    def follow(self) -> None:
        """A job's events until it is done; a refusal for want of a place is counted apart."""
        self.post_job()
        headers = {"Accept": "text/event-stream"}
        where = f"{API}/jobs/{accepted[-1]}/events"
        with self.client.get(where, headers=headers, name="stream", catch_response=True) as answer:
            if answer.status_code != 200 and "too_many_streams" in answer.text:
                answer.request_meta["name"] = "stream, refused"
                answer.success()
