"""Requests over real HTTP by wrk, as fast as they are answered, over connections that stay open."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click

CONNECTIONS = 16
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of request."""

    name: str
    body: bytes
    media_type: str = JSON
    accept: str = "*/*"


@dataclass(frozen=True, slots=True)
class Measured:
    """What wrk has seen; times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    failed: bool


def require_wrk() -> None:
    """Refuses to go on without the load generator."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is missing: install it (on Debian and Ubuntu: apt install wrk)")


def measure(url: str, load: Load, folder: Path, seconds: float) -> Measured:
    """What the server at this address answers, after a second of warming up."""
    body, script = folder / "body", folder / "load.lua"
    body.write_bytes(load.body)
    script.write_text(
        f'local file = io.open("{body}", "rb")\nwrk.method = "POST"\nwrk.body = file:read("*a")\n'
        f'wrk.headers["Content-Type"] = "{load.media_type}"\nwrk.headers["Accept"] = "{load.accept}"\n'
    )
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "--timeout", "30s", "-s", str(script), url]
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
