"""Predictions over real HTTP, ours and others', side by side in one run: `./dev bench serving`.

Every server answers on this machine, one after the other, with the load of wrk (Debian: apt install wrk) on
the same cores. Ratios mean something, absolute numbers are this machine's.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson

from engine.data.samples import make_sample
from engine.export.formats import export
from engine.spec import parse_spec
from engine.training.trainer import Trainer
from service.tables import models
from service.tables.base import LOCAL_OWNER, Database
from service.tables.schema import upgrade

CONNECTIONS = 16
OURS = "/api/v1/models/bench/predictions"


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of request."""

    name: str
    body: bytes
    media_type: str = "application/json"
    accept: str = "*/*"


@dataclass(frozen=True, slots=True)
class Measured:
    """What wrk has seen."""

    per_second: float
    p50: float
    p99: float
    failed: bool


@click.command()
@click.option("--seconds", default=4.0, show_default=True, help="For each measurement.")
def main(seconds: float) -> None:
    """Measure predictions of one row, of 1,000 rows, and of 10,000 rows in binary."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is missing: install it (on Debian and Ubuntu: apt install wrk)")
    with tempfile.TemporaryDirectory() as folder:
        loads = prepare(Path(folder))
        results = {}
        for name, command, path in servers(Path(folder)):
            with serving(command, Path(folder), path, loads[0]) as port:
                for load in loads:
                    if load.media_type == "application/json" or path == OURS:
                        results[name, load.name] = measure(port, path, load, Path(folder), seconds)
    report(results, loads)


def prepare(folder: Path) -> list[Load]:
    """Trains one network for everyone, puts it where each server finds it, and makes the bodies."""
    table = make_sample("breast_cancer", {})
    spec = parse_spec(
        {
            "target": table.names[-1],
            "model": {"name": "bench", "hidden_layers": [16, 16]},
            "training": {"epochs": 20},
        },
        table.profile(),
    )
    trainer = Trainer(spec, table)
    for _ in trainer.blocks():
        pass
    _keep_ours(folder, trainer)
    rows = np.array([row[:-1] for row in table.rows(0, table.row_count)], dtype=np.float64)
    _keep_sklearn(folder, rows, table)
    thousand = np.resize(rows, (1_000, rows.shape[1])).tolist()
    many = np.resize(rows, (10_000, rows.shape[1]))
    return [
        Load("1 row", orjson.dumps({"instances": rows[:1].tolist()})),
        Load("1,000 rows", orjson.dumps({"instances": thousand})),
        Load("10,000 rows, binary", many.tobytes(), "application/octet-stream", "application/octet-stream"),
    ]


def _keep_ours(folder: Path, trainer: Trainer) -> None:
    model = trainer.result().model
    (folder / "model.onnx").write_bytes(export(model, "onnx"))
    database = Database(f"sqlite:///{folder / 'gradhouse.db'}")
    upgrade(database)
    facts: dict[str, Any] = {"sha256": model.sha256, "parameter_count": model.parameter_count, "metrics": {}}
    facts |= {"spec": model.spec.to_document(), "inputs": [], "classes": list(model.classes or ())}
    with database.session() as db:
        models.add(db, owner=LOCAL_OWNER, name="bench", parameters=model.to_bytes(), **facts)
    database.close()


def _keep_sklearn(folder: Path, rows: Any, table: Any) -> None:
    import warnings

    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = make_pipeline(StandardScaler(), MLPClassifier((16, 16), activation="tanh", max_iter=20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(rows, table.column(table.names[-1]).values)
    (folder / "sklearn.pickle").write_bytes(pickle.dumps(network))


def servers(folder: Path) -> list[tuple[str, list[str], str]]:
    """Name, command with PORT in it, and path of each."""
    binaries = Path(sys.executable).parent
    granian = [str(binaries / "granian"), "--interface", "wsgi", "--factory", "--port", "PORT"]
    granian += ["--blocking-threads", "32", "--log-level", "error"]
    gunicorn = [str(binaries / "gunicorn"), "-b", "127.0.0.1:PORT", "-w", "2", "--log-level", "error"]
    peers = "benchmarks.serving_peers"
    ours = [str(binaries / "gradhouse"), "api", "--data-dir", str(folder), "--port", "PORT"]
    return [
        ("gradhouse", ours, OURS),
        ("trivial Flask route, same server", [*granian, f"{peers}:trivial"], "/predict"),
        ("onnxruntime, same server", [*granian, f"{peers}:onnx"], "/predict"),
        ("marshmallow lists, same server", [*granian, f"{peers}:nested_lists"], "/predict"),
        ("scikit-learn, gunicorn", [*gunicorn, f"{peers}:sklearn()"], "/predict"),
    ]


@contextmanager
def serving(command: list[str], folder: Path, path: str, load: Load) -> Iterator[int]:
    """A server on a free port, up and answering."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        **os.environ,
        "MODEL_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GRADHOUSE_LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([part.replace("PORT", str(port)) for part in command], env=environment)
    try:
        _wait(port, path, load, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, path: str, load: Load, process: subprocess.Popen[bytes]) -> None:
    import httpx

    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            headers = {"Content-Type": load.media_type}
            answer = httpx.post(f"http://127.0.0.1:{port}{path}", content=load.body, headers=headers)
            if answer.status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise click.ClickException(f"the server on port {port} does not answer {path}")


def measure(port: int, path: str, load: Load, folder: Path, seconds: float) -> Measured:
    """Requests as fast as they are answered, over connections that stay open."""
    body, script = folder / "body", folder / "load.lua"
    body.write_bytes(load.body)
    script.write_text(
        f'local file = io.open("{body}", "rb")\nwrk.method = "POST"\nwrk.body = file:read("*a")\n'
        f'wrk.headers["Content-Type"] = "{load.media_type}"\nwrk.headers["Accept"] = "{load.accept}"\n'
    )
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script), url]
    subprocess.run([*command, "-d1s"], check=True, capture_output=True)
    said = subprocess.run([*command, f"-d{seconds:.0f}s"], check=True, capture_output=True, text=True).stdout
    return Measured(
        float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),  # type: ignore[index]  # wrk always says so
        _milliseconds(said, "50%"),
        _milliseconds(said, "99%"),
        "Non-2xx" in said,
    )


def _milliseconds(said: str, quantile: str) -> float:
    number, unit = re.search(rf"{quantile}\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def report(results: dict[tuple[str, str], Measured], loads: list[Load]) -> None:
    """A table for each kind of request."""
    for load in loads:
        print(f"\n{load.name}, {CONNECTIONS} connections")
        print(f"{'':36}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'ours / it':>11}")
        ours = results["gradhouse", load.name]
        for (name, kind), got in results.items():
            if kind == load.name:
                ratio = ours.per_second / got.per_second
                note = "  (refused)" if got.failed else ""
                print(f"{name:36}{got.per_second:12.0f}{got.p50:10.2f}{got.p99:10.2f}{ratio:11.2f}{note}")


if __name__ == "__main__":
    main()
