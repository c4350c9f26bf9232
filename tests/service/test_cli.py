"""The command line: helps, refuses in one line, and brings the whole journey."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from service.tables import HEAD

COMMANDS = (
    "up",
    "demo",
    "api",
    "worker",
    "sweeper",
    "db",
    "db upgrade",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "backup",
    "restore",
    "prune",
    "doctor",
    "status",
)


def _gradhouse(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service.cli", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables}, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    answer = CliRunner().invoke(main, [*command.split(), "--help"])
    assert answer.exit_code == 0
    assert len(answer.output.splitlines()) >= 5


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from service.cli import main;"
        "CliRunner().invoke(main, ['--help']);"
        "heavy = {'numpy', 'sqlalchemy', 'celery', 'flask', 'polars', 'environs'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_wrong_setting_is_one_line_and_a_usage_error() -> None:
    answer = _gradhouse("up", GRADHOUSE_PORT="70000")
    assert answer.returncode == 2
    assert "GRADHOUSE_PORT must be between 1 and 65535, got 70000" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = _gradhouse("up", "--data-dir", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert answer.returncode == 1
    assert re.fullmatch(r"Error: cannot listen on 127\.0\.0\.1:\d+: .*; try --port \d+\n", answer.stderr)


@pytest.mark.parametrize("command", ["api", "worker"])
def test_nothing_starts_on_a_database_of_another_version(command: str, tmp_path: Path) -> None:
    answer = _gradhouse(command, "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].endswith("run `gradhouse db upgrade`")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", ["api", "worker", "db upgrade"])
def test_a_database_that_stays_away_is_one_line_in_the_end(command: str, tmp_path: Path) -> None:
    away = {
        "GRADHOUSE_DATABASE_URL": "postgresql://nobody@/x?host=/nowhere",
        "GRADHOUSE_DATABASE_START_SECONDS": "0.2",
    }
    answer = _gradhouse(*command.split(), "--data-dir", str(tmp_path), **away)
    assert answer.returncode == 1
    assert "database away, trying again" in answer.stderr  # a start waits, and says so
    assert answer.stderr.splitlines()[-1].startswith("Error: the database does not answer: ")
    assert "Traceback" not in answer.stderr


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gradhouse.db").write_text("no database " * 1000)
    answer = _gradhouse("prune", "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert answer.stderr == "Error: the database does not answer: file is not a database\n"


def test_what_the_disk_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = _gradhouse("db", "upgrade", "--data-dir", str(tmp_path / "file" / "data"))
    assert answer.returncode == 1
    assert answer.stderr == f"Error: {tmp_path}/file/data: Not a directory\n"


def test_the_database_is_upgraded_once_and_again_without_change(tmp_path: Path) -> None:
    for _ in range(2):
        answer = _gradhouse("db", "upgrade", "--data-dir", str(tmp_path / "data"))
        assert (answer.returncode, answer.stdout) == (0, f"the database is at revision {HEAD}\n")


@pytest.mark.system
def test_the_demo_makes_the_whole_journey_and_leaves_nothing(tmp_path: Path) -> None:
    started = time.time()
    answer = _gradhouse("demo", TMPDIR=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    lines = dict(line.split(": ", 1) for line in answer.stdout.splitlines())
    assert float(lines["loss"]) < 0.2
    assert float(lines["accuracy"]) == 0.94
    prediction = json.loads(lines["prediction"].split(" for ")[0])
    assert prediction["label"] in {-1, 1}
    assert list(tmp_path.iterdir()) == []
    assert not [pid for pid in _processes_since(started) if "gradhouse-demo-" in pid]


def _processes_since(moment: float) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_mtime >= moment:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


_API = """
import os, sys
import service.cli
service.cli._run = lambda *_: print(os.environ["_RJEM_MALLOC_CONF"], {"granian", "polars"} & {*sys.modules})
service.cli.main(["api", "--data-dir", sys.argv[1]], standalone_mode=False)
"""


@pytest.mark.parametrize(
    ("given", "found"), [({}, "narenas:1,tcache:false"), ({"_RJEM_MALLOC_CONF": "narenas:4"}, "narenas:4")]
)
def test_the_servers_allocator_is_told_before_it_is_loaded_unless_the_operator_did(
    given: dict[str, str], found: str, tmp_path: Path
) -> None:
    # Polars, which other tests load, leaves its own settings there.
    plain = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    command = [sys.executable, "-c", _API, str(tmp_path)]
    done = subprocess.run(command, env={**plain, **given}, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [found, "set()"]
