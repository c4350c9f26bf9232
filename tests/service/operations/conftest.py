"""What the operators' tests share."""

from collections.abc import Iterator

import pytest

from service.settings import Settings
from service.worker.bench import Bench, SharedFlag


@pytest.fixture
def bench(settings: Settings) -> Iterator[Bench]:
    """A training process."""
    opened = Bench.open(settings, SharedFlag())
    yield opened
    opened.close()
