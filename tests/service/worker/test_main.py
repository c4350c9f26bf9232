"""The worker's main process, as far as it goes without Celery; tests/system runs the whole."""

import subprocess
import sys

import pytest

from service.settings import Settings
from service.tables.schema import OutdatedSchema
from service.worker.main import Worker, run


def test_a_worker_refuses_a_database_without_tables(settings: Settings, tmp_path: object) -> None:
    with pytest.raises(OutdatedSchema, match="gradhouse db upgrade"):
        run(Settings(database_url=f"sqlite:///{tmp_path}/empty.db", broker_url=settings.broker_url))


def test_a_dead_sweeper_is_replaced_until_the_worker_stops(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    worker = Worker(settings)
    worker.keep_sweeper()
    first = worker._sweeper
    assert first is not None
    worker.keep_sweeper()
    assert worker._sweeper is first
    first.kill()
    first.wait()
    worker.keep_sweeper()
    second = worker._sweeper
    assert second is not None
    assert second is not first
    worker.begin_to_stop()
    worker.stop_sweeper()
    assert second.poll() is not None
    worker.keep_sweeper()
    assert worker._sweeper is second
    for process in (first, second):
        assert process.stdin is not None
        process.stdin.close()


def test_a_child_has_the_compiler_at_hand_before_its_first_job(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    script = """
import os, sys
from service.settings import load_settings
from service.worker.main import Worker

worker = Worker(load_settings())
assert "engine.execution.compiled" not in sys.modules
child = os.fork()
if not child:
    before = os.nice(0)
    worker.open_bench()
    assert os.nice(0) == min(before + 10, 19)  # training steps back behind predictions
    program = sys.modules["engine.compiler.programs.training"].program
    os._exit(10 + program.cache_info().currsize)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "11"
