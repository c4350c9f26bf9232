"""The engine's benchmark as a smoke test: what it compares agrees. Nothing is timed here."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import engine
from benchmarks.workloads import make_workload

ROOT = Path(__file__).resolve().parents[1]


def test_the_quick_benchmark_finds_that_all_agrees() -> None:
    command = [sys.executable, "-m", "benchmarks.engine", "--quick"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["W1", "W1t", "W2", "W3", "W4", "W6"]
    assert all("agree" in line for line in ran.stdout.splitlines())


def test_no_time_is_believed_when_losses_differ() -> None:
    workload = make_workload("W1")
    losses = [1.0] * 5
    assert engine.check(workload, "a peer", losses, losses) == 0.0
    with pytest.raises(SystemExit, match=r"a peer's losses are off by 1\.0e-08"):
        engine.check(workload, "a peer", [1.0, 1.0 + 1e-8], losses)
