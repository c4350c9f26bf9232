"""What a training process tells of itself."""

from collections.abc import Iterator

import pytest

from service.presence import Presence
from service.settings import Settings
from service.worker.bench import Bench
from service.worker.report import Reporter
from service.worker.work import work
from tests.servers import ValkeyServer
from tests.training import SEED_JOB, Workshop


@pytest.fixture
def presence(settings: Settings) -> Iterator[Presence]:
    opened = Presence(settings)
    yield opened
    opened.close()


def test_steps_are_told_once_and_seconds_with_them(
    bench: Bench, presence: Presence, workshop: Workshop
) -> None:
    reporter = Reporter(bench, presence)
    workshop.add(SEED_JOB, batch_size=10)  # ten updates an epoch
    assert work(bench)
    reporter.report()
    reporter.report()
    crew = presence.crew()
    assert crew is not None
    assert crew.steps == 21 * 10 == bench.tally.steps
    assert 0 < crew.seconds < 60
    (process,) = crew.processes
    assert process.name == bench.name
    assert process.facts["busy"] is False
    assert process.facts["tables"] == 1
    assert process.facts["table_bytes"] > 0


def test_what_the_broker_has_not_heard_is_told_with_the_next_report(
    bench: Bench, fragile_valkey: ValkeyServer
) -> None:
    presence = Presence(Settings(broker_url=fragile_valkey.url))
    reporter = Reporter(bench, presence)
    fragile_valkey.kill()
    bench.tally.steps += 7
    reporter.report()
    fragile_valkey.start()
    bench.tally.steps += 1
    reporter.report()
    crew = presence.crew()
    assert crew is not None
    assert crew.steps == 8
    presence.close()
