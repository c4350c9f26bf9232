"""Warming up: the executor that jobs will get has run once."""

import subprocess
import sys

import pytest

from engine.execution import choice
from engine.training.warm_up import warm_up

SCRIPT = """
import sys, threading
from engine.training.warm_up import warm_up
assert "llvmlite" not in sys.modules
warm_up()
from engine.compiler.programs.training import program
print("llvmlite" in sys.modules, program.cache_info().currsize, threading.active_count())
"""


def test_the_compiler_is_loaded_and_a_program_was_run() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "1", "1"]


def test_without_a_compiler_numpy_is_warmed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "can_compile", lambda: False)
    warm_up()
