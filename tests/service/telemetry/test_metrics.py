"""The figures: each described once, and right under several processes."""

import os
import subprocess
import sys
from pathlib import Path

from service.telemetry import metrics

COUNT = """
import sys
from service.telemetry.metrics import HTTP_SECONDS, MODELS_LOADED
for _ in range(int(sys.argv[1])):
    HTTP_SECONDS.labels("GET", "/x", "200").observe(0.1)
MODELS_LOADED.set(int(sys.argv[1]))
sys.stdin.read()
"""
SERIES = 'gradhouse_http_request_seconds_count{method="GET",route="/x",status="200"}'
TELL = "from service.telemetry.metrics import exposition; print(exposition({}).decode())"


def test_every_figure_has_a_name_of_ours_a_help_and_a_kind() -> None:
    rows = metrics.catalogue()
    assert len({row.name for row in rows}) == len(rows) > 15
    for row in rows:
        assert row.name.startswith("gradhouse_")
        assert row.help.endswith(".")
        assert row.kind in {"counter", "gauge", "histogram"}


def test_what_was_read_is_written_with_its_labels() -> None:
    text = metrics.exposition(
        {"gradhouse_jobs": {("queued",): 3}, "gradhouse_training_steps": {(): 7}}
    ).decode()
    assert 'gradhouse_jobs{status="queued"} 3.0' in text
    assert "gradhouse_training_steps_total 7.0" in text


def test_counters_of_all_processes_are_summed_and_the_dead_hold_nothing(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, metrics.FOLDER_VARIABLE: str(tmp_path)}

    def python(program: str, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    dead = python(COUNT, "5")
    dead.communicate("")
    with python(COUNT, "2") as alive:
        told = ""
        while f"{SERIES} 7.0" not in told:  # until the living has counted
            told = python(TELL).communicate()[0]
        assert "gradhouse_models_loaded 2.0" in told
        alive.communicate("")
    assert "gradhouse_models_loaded 2.0" not in python(TELL).communicate()[0]
