"""The README's tour, replayed word for word against a running service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.servers import Command, eventually, free_port

pytestmark = pytest.mark.system

README = Path(__file__).resolve().parents[2] / "README.md"
IDENTIFIER = re.compile(r"\b(ds|job|mdl)_[0-9a-z]{26}\b")


@dataclass(frozen=True)
class Request:
    """A line of the tour, and the answer that the README prints under it."""

    command: str
    answer: str


def requests() -> list[Request]:
    """The lines after a `$` in the README's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    return [Request(command, answer.strip()) for command, answer in found]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A service on a port of its own."""
    free = free_port()
    words = ("up", "--data-dir", str(tmp_path / "data"), "--port", str(free))
    command = Command(*words, environment={"GRADHOUSE_LOG_LEVEL": "WARNING"}, log=tmp_path / "up.log")
    eventually(lambda: is_ready(free), what="the service is ready")
    yield free
    command.close()


def is_ready(port: int) -> bool:
    """Whether the service on a port has all it needs."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError):
        return False


def test_the_tour_gives_the_answers_that_the_readme_prints(port: int) -> None:
    if not shutil.which("curl"):
        assert "CI" not in os.environ, "CI must have curl: the README's requests are made with it"
        pytest.skip("the README's requests need curl, and this machine has none")
    tour = requests()
    assert len(tour) >= 8
    with Shell(port) as shell:
        for request in tour:
            assert matches(request.answer, shell.run(request.command)), request


class Shell:
    """One POSIX shell that runs line after line, as a reader's terminal does."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __enter__(self) -> Shell:
        self._process = subprocess.Popen(
            ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def run(self, command: str) -> str:
        """What a line prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        here = command.replace("127.0.0.1:8137", f"127.0.0.1:{self._port}")
        self._process.stdin.write(f"{here}\necho; echo end of answer\n")
        self._process.stdin.flush()
        lines = iter(self._process.stdout.readline, "end of answer\n")
        return "".join(lines).strip()


def matches(printed: str, answer: str) -> bool:
    """Whether an answer has all that the README prints, ids aside, with anything where it prints ….

    >>> matches('{"id":"…","n":1}', '{"id":"ds_0","n":1}'), matches('{"n":1}', '{"n":2}')
    (True, False)
    """
    parts = [re.escape(IDENTIFIER.sub("id", part)) for part in printed.split("…")]
    return re.fullmatch(".*".join(parts), IDENTIFIER.sub("id", answer), re.DOTALL) is not None
