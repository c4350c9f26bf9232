"""No program reads or writes beside its arrays: they stand between pages that are closed to the process."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="closes pages by mprotect")


def run_guarded(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.engine.execution.guarded", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def assert_unharmed(seeds: range) -> None:
    ran = run_guarded(*map(str, seeds))
    assert ran.returncode == 0, f"died in {ran.stdout.splitlines()[-1]}\n{ran.stderr}"
    assert len(ran.stdout.splitlines()) == 2 * len(seeds)


def test_the_guard_catches_a_trespasser() -> None:
    assert run_guarded("trespass").returncode == -signal.SIGSEGV


@pytest.mark.parametrize("first", range(0, 18, 6))
def test_programs_of_many_shapes_stay_within_their_arrays(first: int) -> None:
    assert_unharmed(range(first, first + 6))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 400, 50))
def test_programs_of_many_more_shapes_stay_within_their_arrays(first: int) -> None:
    assert_unharmed(range(first, first + 50))
