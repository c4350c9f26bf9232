"""Trainings over HTTP against outside judges: the same numbers in every epoch of drawn trials.

`python -m benchmarks.judge` does it for as many as one likes.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.judging.over_http import trained
from tests.judging.trials import drawn
from tests.judging.verdict import DOUBT, TOLERANCE, distance, doubt
from tests.system.service import Service

pytestmark = pytest.mark.system


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path, {"GRADHOUSE_LOG_LEVEL": "WARNING"})
    yield running
    running.close()


def test_every_epoch_over_http_has_the_numbers_that_numpy_has(service: Service) -> None:
    _check(service, "by_numpy", range(1_000, 1_030))


@pytest.mark.bench
@pytest.mark.skipif(find_spec("torch") is None, reason="the judge is PyTorch: pip install gradhouse[bench]")
def test_every_epoch_over_http_has_the_numbers_that_pytorch_has(service: Service) -> None:
    _check(service, "by_torch", range(1_000, 1_100))


def _check(service: Service, judge: str, seeds: range) -> None:
    history, trials = import_module(f"tests.judging.{judge}").history, [drawn(seed) for seed in seeds]
    for trial, (job, rows) in zip(trials, trained(service.client, trials), strict=True):
        expected = history(trial)
        assert (job["status"] == "succeeded") == (len(expected) == trial.spec["training"]["epochs"]), job
        far = distance(expected, rows)
        assert far <= TOLERANCE or doubt(history, trial) > DOUBT, (far, trial.spec)
