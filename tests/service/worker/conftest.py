"""What the worker's tests share: a training process without Celery."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from service.telemetry import configure_logging
from service.worker.bench import Bench, SharedFlag


@pytest.fixture(autouse=True)
def _logging_as_in_a_worker() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(Settings(log_level="WARNING"), "worker")
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def open_bench(settings: Settings) -> Iterator[Callable[..., Bench]]:
    """Opens training processes with changed settings."""
    opened: list[Bench] = []

    def open_with(**changes: Any) -> Bench:
        opened.append(Bench.open(replace(settings, **changes), SharedFlag()))
        return opened[-1]

    yield open_with
    for bench in opened:
        bench.close()


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    """A training process."""
    return open_bench()


@pytest.fixture
def dataset_file(settings: Settings) -> Callable[[], Path]:
    """Where the bytes of the only dataset lie."""
    return lambda: next(path for path in settings.datasets_dir.rglob("*") if path.is_file())
