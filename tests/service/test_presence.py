"""Who is at work, as the broker's memory tells it."""

import time
from collections.abc import Iterator

import pytest

from service.presence import PROCESSES, Presence
from service.settings import Settings
from tests.servers import ValkeyServer, eventually

FACTS = {"busy": True, "steps": 21}


@pytest.fixture
def presence(valkey: ValkeyServer) -> Iterator[Presence]:
    opened = Presence(Settings(broker_url=valkey.url))
    yield opened
    opened.close()


def test_workers_are_there_until_their_word_runs_out_or_is_taken_back(presence: Presence) -> None:
    presence.announce("a", 30)
    presence.announce("b", 30)
    assert presence.workers() == 2
    presence.retire("a")
    presence.announce("b", -1)
    assert presence.workers() == 0


def test_a_worker_and_its_processes_are_told_with_their_last_sign_of_life(presence: Presence) -> None:
    presence.announce("host/1:7:", 30, {"version": "1.0"})
    presence.report("host/1:7:8:ab", FACTS, steps=21, seconds=0.5)
    time.sleep(0.05)
    crew = presence.crew()
    assert crew is not None
    (worker,), (process,) = crew.workers, crew.processes
    assert (worker.name, worker.facts) == ("host/1:7:", {"version": "1.0"})
    assert (process.name, process.facts) == ("host/1:7:8:ab", FACTS)
    assert 0.05 <= worker.age_seconds < 10
    assert 0.05 <= process.age_seconds < 10


def test_a_worker_that_tells_no_facts_is_there_all_the_same(presence: Presence, valkey: ValkeyServer) -> None:
    valkey.client.zadd(
        "gradhouse:workers", {"older": time.time() + 30}
    )  # as another version announces itself
    crew = presence.crew()
    assert crew is not None
    assert [(each.name, each.facts) for each in crew.workers] == [("older", {})]


def test_what_was_trained_adds_up_over_processes_that_come_and_go(presence: Presence) -> None:
    presence.report("w:1:1:a", FACTS, steps=100, seconds=1.5)
    presence.report("w:1:2:b", FACTS, steps=11, seconds=0.5)
    presence.retire("w:1:")
    presence.report("w:2:3:c", FACTS, steps=5, seconds=0.25)
    crew = presence.crew()
    assert crew is not None
    assert (crew.steps, crew.seconds) == (116, 2.25)
    assert [each.name for each in crew.processes] == ["w:2:3:c"]


def test_those_who_have_long_been_silent_are_forgotten(presence: Presence, valkey: ValkeyServer) -> None:
    valkey.client.hset(PROCESSES, "dead:1:2:a", b'{"at": 1.0}')
    valkey.client.zadd("gradhouse:workers", {"dead:1:": 1.0})
    presence.announce("alive:1:", 30)
    assert not valkey.client.hexists(PROCESSES, "dead:1:2:a")
    assert valkey.client.zcard("gradhouse:workers") == 1


def test_a_broker_that_is_away_is_an_answer_and_no_error(fragile_valkey: ValkeyServer) -> None:
    presence = Presence(Settings(broker_url=fragile_valkey.url))
    presence.announce("a", 30)
    fragile_valkey.kill()
    assert presence.crew() is None
    assert presence.workers() == 0
    presence.announce("a", 30)
    assert not presence.report("a:1:b", FACTS, steps=1, seconds=1)
    fragile_valkey.start()
    presence.announce("a", 30)
    eventually(lambda: presence.workers() == 1)
    presence.close()
