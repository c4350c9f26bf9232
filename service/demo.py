"""`gradhouse demo`: the whole journey as a user makes it, over HTTP, against a service of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from service.processes import die_with_parent
from service.settings import Settings

START_SECONDS = 60.0
JOB_SECONDS = 120.0
DONE = {"succeeded", "failed", "canceled"}

MOONS = {
    "name": "moons",
    "sample": "moons",
    "options": {"n_samples": 100, "noise": 0.1, "random_state": 1337, "labels": [-1, 1]},
}
JOB: dict[str, Any] = {
    "target": "y",
    "preprocessing": {"scale": "none"},
    "split": {"validation": 0},
    "model": {
        "name": "moons",
        "hidden_layers": [{"units": 16, "activation": "tanh"}, {"units": 16, "activation": "tanh"}],
        "output_activation": "tanh",
        "init": {"scheme": "uniform", "low": -1.0, "high": 1.0},
    },
    "loss": "hinge",
    "optimizer": {"name": "sgd", "learning_rate": 1.0},
    "schedule": {"name": "linear", "end_factor": 0.1},
    "training": {"epochs": 21, "batch_size": None, "seed": 1337, "early_stopping": None},
}
POINT = {"x1": 0.5, "x2": -0.2}


class DemoFailed(Exception):
    """The journey ended before its end; the text says where."""


def run(settings: Settings, *, keep: bool) -> None:
    """Starts a service, makes the journey, stops the service. Raises DemoFailed."""
    console = Console(stderr=True)
    with ExitStack() as stack:
        if keep:
            folder = settings.data_dir
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gradhouse-demo-")))
        url = stack.enter_context(_service(folder, settings.port, console))
        client = stack.enter_context(httpx.Client(base_url=f"{url}/api/v1", timeout=30))
        try:
            _journey(client, console)
        except httpx.HTTPStatusError as error:
            raise DemoFailed(f"{error.request.method} {error.request.url}: {error.response.text}") from None
        except httpx.TransportError as error:
            raise DemoFailed(f"the service is not reachable: {error}") from None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _journey(client: httpx.Client, console: Console) -> None:
    dataset = _post(client, "/datasets", MOONS)
    console.print(f"created the dataset {dataset['id']}: {dataset['row_count']} rows")
    job = _post(client, "/jobs", {"dataset_id": dataset["id"], **JOB})
    console.print(f"posted the job {job['id']}")
    job = _follow(client, job["id"], console)
    if job["status"] != "succeeded":
        raise DemoFailed(f"the job {job['status']}: {json.dumps(job['error'])}")
    model = _get(client, f"/models/{job['model_id']}")
    prediction = _get(client, f"/models/{model['id']}/predictions", **POINT)["predictions"][0]
    metrics = model["metrics"]["train"]
    for name, value in (
        ("loss", metrics["loss"]),
        ("accuracy", metrics["accuracy"]),
        ("prediction", f"{json.dumps(prediction)} for {json.dumps(POINT)}"),
    ):
        print(f"{name}: {value}")  # noqa: T201 - the results are this command's output


def _follow(client: httpx.Client, job_id: str, console: Console) -> dict[str, Any]:
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    deadline = time.monotonic() + JOB_SECONDS
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=1.0, loss="")
        while True:
            job = _get(client, f"/jobs/{job_id}")
            loss = (job.get("latest") or {}).get("train_loss")
            shown = "" if loss is None else f"loss {loss:.4f}"
            bar.update(task, completed=job["progress"]["fraction"] or 0, loss=shown)
            if job["status"] in DONE:
                return job
            if time.monotonic() > deadline:
                raise DemoFailed(f"the job was not done within {JOB_SECONDS:g} s")
            time.sleep(0.1)


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return _document(client.post(path, json=body))


def _get(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    return _document(client.get(path, params=query))


def _document(response: httpx.Response) -> dict[str, Any]:
    document: dict[str, Any] = response.raise_for_status().json()
    return document


@contextmanager
def _service(folder: Path, port: int, console: Console) -> Iterator[str]:
    command = [sys.executable, "-m", "service.cli", "up", "--data-dir", str(folder), "--port", str(port)]
    parent = os.getpid()
    # Nothing of the demo may land in a database that outlives it.
    elsewhere = {"GRADHOUSE_DATABASE_URL", "GRADHOUSE_BROKER_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C comes here first
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - this process has one thread
    )
    try:
        with console.status("starting API, worker, broker and database"):
            # The first line says that it answers; the end of the output, that it could not start.
            started = process.stdout.readline() if process.stdout else b""
        if not started:
            raise DemoFailed("the service did not start: the lines above say why")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout:
            process.stdout.close()
