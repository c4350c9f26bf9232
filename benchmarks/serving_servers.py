"""The servers that are compared: how each is started, where it answers, and what it reads."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
import orjson

from benchmarks.http_load import Load
from service.settings import Settings

OURS, INSTANCES, TENSORS = "ours", "instances", "tensors"
_PEERS = "benchmarks.serving_peers"
_MLSERVER_FOLDER = Path(__file__).parent / "results" / "mlserver"


@dataclass(frozen=True, slots=True)
class Server:
    """One that predicts; `command` has PORT where its port goes."""

    name: str
    command: list[str]
    path: str
    dialect: str = INSTANCES
    environment: dict[str, str] = field(default_factory=dict)


def servers(folder: Path) -> list[Server]:
    """Ours and, but for MLServer, those that it is compared with; "same server": as we run ours."""
    binaries, defaults = Path(sys.executable).parent, Settings()
    granian = [str(binaries / "granian"), "--interface", "wsgi", "--factory", "--port", "PORT"]
    granian += ["--workers", str(defaults.api_processes), "--blocking-threads", str(defaults.api_threads)]
    granian += ["--log-level", "error"]
    gunicorn = [str(binaries / "gunicorn"), "-b", "127.0.0.1:PORT", "-w", "2", "--log-level", "error"]
    ours = [str(binaries / "gradhouse"), "api", "--data-dir", str(folder), "--port", "PORT"]
    return [
        Server("gradhouse", ours, "/api/v1/models/bench/predictions", OURS),
        Server("trivial Flask route, same server", [*granian, f"{_PEERS}:trivial"], "/predict"),
        Server("onnxruntime, same server", [*granian, f"{_PEERS}:onnx"], "/predict"),
        Server("marshmallow lists, same server", [*granian, f"{_PEERS}:nested_lists"], "/predict"),
        Server("scikit-learn, gunicorn, 2 workers", [*gunicorn, f"{_PEERS}:sklearn()"], "/predict"),
    ]


def mlserver(folder: Path) -> Server | None:
    """MLServer with scikit-learn's network, in an environment of its own; None where it can't be installed.

    Its pins clash with ours. Without its pool of inference processes, which make small models slower.
    """
    if not _install_mlserver():
        print("MLServer could NOT be installed, so it is NOT compared with", file=sys.stderr)
        return None
    home = folder / "mlserver"
    home.mkdir()
    pickled = {"uri": str(folder / "sklearn.pickle"), "version": "1"}
    model = {"name": "bench", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": pickled}
    (home / "model-settings.json").write_bytes(orjson.dumps(model))
    settings = {"debug": False, "host": "127.0.0.1", "parallel_workers": 0, "metrics_endpoint": None}
    (home / "settings.json").write_bytes(orjson.dumps(settings))
    environment = {"MLSERVER_HTTP_PORT": "PORT", "MLSERVER_GRPC_PORT": str(_free_port())}
    command = [str(_MLSERVER_FOLDER / "bin" / "mlserver"), "start", str(home)]
    return Server("scikit-learn, MLServer", command, "/v2/models/bench/infer", TENSORS, environment)


def _install_mlserver() -> bool:
    ready = _MLSERVER_FOLDER / "installed"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_MLSERVER_FOLDER)], check=True)
        # The pickle is our scikit-learn's, so MLServer gets the same.
        pinned = f"scikit-learn=={importlib.metadata.version('scikit-learn')}"
        words = ["-m", "pip", "install", "--quiet", "mlserver", "mlserver-sklearn", pinned]
        if subprocess.run([str(_MLSERVER_FOLDER / "bin" / "python"), *words], check=False).returncode:
            return False
        ready.touch()
    return True


@contextmanager
def serving(server: Server, folder: Path, load: Load) -> Iterator[int]:
    """A server on a free port, up and answering."""
    port = _free_port()
    environment = {
        **os.environ,
        "MODEL_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GRADHOUSE_LOG_LEVEL": "ERROR",
        **{name: value.replace("PORT", str(port)) for name, value in server.environment.items()},
    }
    command = [part.replace("PORT", str(port)) for part in server.command]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}{server.path}", load, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(url: str, load: Load, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            headers = {"Content-Type": load.media_type}
            if httpx.post(url, content=load.body, headers=headers).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise click.ClickException(f"{url} does not answer")
