"""Token buckets in a real Redis, from one process and from several."""

import signal
import threading
import time

import pytest
import redis

from service.access import rates
from service.access.rates import Allowance, BrokerAway, Policy, Rates
from tests.servers import ValkeyServer, eventually

SLOW = Policy("key", 0.001, 40)  # no token comes back during a test


def _client(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=None)


def test_as_many_pass_as_the_bucket_holds_whoever_spends_them(valkey: ValkeyServer) -> None:
    processes = [Rates(_client(valkey), SLOW) for _ in range(3)]
    granted = sum(processes[number % 3].spend("a").granted for number in range(100))
    assert granted == 40
    assert processes[0].spend("b").granted, "another one's bucket is full"


def test_many_threads_spend_no_token_twice_and_lose_none(valkey: ValkeyServer) -> None:
    shared, granted = Rates(_client(valkey), Policy("key", 0.001, 200)), list[bool]()

    def spend() -> None:
        granted.extend(shared.spend("a").granted for _ in range(100))

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(True) == 200


def test_who_is_refused_is_told_how_long_to_wait(valkey: ValkeyServer) -> None:
    bucket = Rates(_client(valkey), Policy("key", 0.5, 1))
    assert bucket.spend("a") == Allowance(granted=True, remaining=0, wait_seconds=0)
    assert bucket.spend("a") == Allowance(granted=False, remaining=0, wait_seconds=2)


def test_tokens_come_back(valkey: ValkeyServer) -> None:
    bucket = Rates(_client(valkey), Policy("key", 20, 1))
    assert bucket.spend("a").granted
    assert not bucket.spend("a").granted
    eventually(lambda: bucket.spend("a").granted, seconds=10)


def test_what_is_left_falls_to_nothing(valkey: ValkeyServer) -> None:
    bucket = Rates(_client(valkey), SLOW)
    assert [bucket.spend("a").remaining for _ in range(40)] == list(range(39, -1, -1))


def test_most_requests_cost_no_word_with_redis(valkey: ValkeyServer) -> None:
    client = _client(valkey)
    bucket = Rates(client, Policy("key", 1000, 1000))
    bucket.spend("a")
    before = client.info("stats")["total_commands_processed"]
    for _ in range(1000):
        bucket.spend("a")
    assert client.info("stats")["total_commands_processed"] - before < 500  # the script's own words count


def test_a_flood_past_the_bound_costs_none_either(valkey: ValkeyServer) -> None:
    client = _client(valkey)
    bucket = Rates(client, Policy("address", 0.001, 1))
    bucket.spend("a")
    bucket.spend("a")
    before = client.info("stats")["total_commands_processed"]
    assert not any(bucket.spend("a").granted for _ in range(1000))
    assert client.info("stats")["total_commands_processed"] - before <= 2


def test_the_memory_of_a_process_is_bounded(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_REMEMBERED", 5)
    bucket = Rates(_client(valkey), SLOW)
    for number in range(20):
        bucket.spend(str(number))
    assert len(bucket._held) <= 5


def test_buckets_leave_redis_once_they_are_full_again(valkey: ValkeyServer) -> None:
    Rates(_client(valkey), Policy("key", 10, 20)).spend("a")
    assert 0 < valkey.client.pttl(f"{rates.PREFIX}key:a") <= 3000


@pytest.mark.parametrize("fault", ["frozen", "dead"])
def test_a_broker_that_is_away_is_asked_once_and_then_left_alone(
    fragile_valkey: ValkeyServer, fault: str
) -> None:
    bucket = Rates(_client(fragile_valkey), SLOW)
    assert bucket.spend("a").granted
    if fault == "frozen":
        fragile_valkey.process.send_signal(signal.SIGSTOP)
    else:
        fragile_valkey.kill()
    started = time.monotonic()
    for number in range(200):
        with pytest.raises(BrokerAway):
            bucket.spend(f"other {number}")
    assert time.monotonic() - started < rates.REST_SECONDS


def test_a_policy_reads_as_the_draft_writes_it() -> None:
    assert Policy("key", 100, 400).header == '"key";q=400;w=4'
