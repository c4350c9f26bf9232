"""The broker: a hint sent after a commit, which may fail but never hangs."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.broker import QUEUE, Broker
from service.settings import Settings
from tests.servers import ValkeyServer, eventually


@pytest.fixture
def broker(valkey: ValkeyServer) -> Iterator[Broker]:
    opened = Broker(Settings(broker_url=valkey.url))
    yield opened
    opened.close()


@pytest.fixture
def fragile(fragile_valkey: ValkeyServer) -> Iterator[Broker]:
    opened = Broker(Settings(broker_url=fragile_valkey.url))
    yield opened
    opened.close()


def test_a_message_waits_in_the_queue(broker: Broker, valkey: ValkeyServer) -> None:
    assert broker.ping()
    assert broker.depth() == 0
    assert broker.send("job_1")
    assert broker.depth() == 1
    assert valkey.client.llen(QUEUE) == 1


def test_a_dead_broker_is_a_false_and_no_error(fragile: Broker, fragile_valkey: ValkeyServer) -> None:
    assert fragile.send("job_1")
    fragile_valkey.kill()
    assert not fragile.send("job_2")
    assert not fragile.ping()
    assert fragile.depth() is None


def test_a_frozen_broker_holds_a_request_for_two_seconds_at_most_and_then_not_at_all(
    fragile: Broker, fragile_valkey: ValkeyServer
) -> None:
    assert fragile.send("job_1")
    fragile_valkey.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    assert not fragile.send("job_2")
    assert time.monotonic() - started < 2
    started = time.monotonic()
    assert not fragile.send("job_3")
    assert time.monotonic() - started < 0.01


def test_a_broker_that_comes_back_is_used_again(
    fragile: Broker, fragile_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.broker.REST_SECONDS", 0.05)
    fragile_valkey.kill()
    assert not fragile.send("job_1")
    fragile_valkey.start()
    eventually(lambda: fragile.send("job_2"))
    assert fragile.depth() == 1


def test_both_spellings_of_a_socket_serve(valkey: ValkeyServer) -> None:
    settings = Settings(broker_url=valkey.url.replace("unix://", "redis+socket://"))
    for each in (settings, replace(settings, broker_url=valkey.url + "?db=1")):
        opened = Broker(each)
        assert opened.ping()
        assert opened.send("job_1")
        assert opened.depth() == 1
        opened.close()
    valkey.client.flushall()
