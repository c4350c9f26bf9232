"""Rate limits through the front door: keys, addresses, and what is told of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.access.limiter import client_address
from service.app import create_app
from service.settings import Settings
from tests.servers import ValkeyServer
from tests.service.api.answers import problem_of
from tests.service.keyed import Keyed, keyed_service

TIGHT: dict[str, Any] = {"rate_limits": "on", "key_rate": 0.01, "key_burst": 30}
TIGHT |= {"address_rate": 0.01, "address_burst": 10}


@pytest.fixture
def limited(tmp_path: Path, migrated_sqlite: Path, valkey: ValkeyServer) -> Iterator[Keyed]:
    """A service that asks for keys and counts requests."""
    with keyed_service(tmp_path, migrated_sqlite, valkey, **TIGHT) as service:
        yield service


def test_a_key_may_ask_so_often_and_is_told_what_is_left(limited: Keyed) -> None:
    alice, bob = limited.person("alice"), limited.person("bob")
    answers = [alice.ask("GET", "/api/v1/options") for _ in range(40)]
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=30;w=3000'
    left = [answer.headers["RateLimit"] for answer in answers if answer.status_code == 200]
    assert left[-1] == '"key";r=0'
    refused = answers[-1]
    problem_of(refused, 429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 100
    assert refused.headers["RateLimit"] == f'"key";r=0;t={refused.headers["Retry-After"]}'
    assert bob.ask("GET", "/api/v1/options").status_code == 200


def test_guessing_is_limited_and_leaves_good_keys_alone(limited: Keyed) -> None:
    alice, client = limited.person("alice"), limited.app.test_client()
    wrong = [
        client.get("/api/v1/models", headers={"Authorization": f"Bearer gradhouse_{number:064x}"}).status_code
        for number in range(100)
    ]
    assert (wrong[0], wrong[-1]) == (401, 429)
    assert wrong.count(401) <= 10
    assert client.get("/healthz").status_code == 429, "the same address, without a key"
    assert alice.ask("GET", "/api/v1/models").status_code == 200, "the same address, with one"


def test_without_keys_addresses_are_counted(settings: Settings) -> None:
    app = create_app(replace(settings, **TIGHT))
    statuses = [app.test_client().get("/api/v1/options").status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    app.extensions["gradhouse"].database.close()
    app.extensions["gradhouse"].broker.close()


@pytest.mark.parametrize(("rule", "status"), [("open", 200), ("closed", 503)])
def test_while_the_broker_cannot_count_a_setting_says_what_passes(
    settings: Settings, rule: str, status: int
) -> None:
    away = replace(settings, **TIGHT, rate_failure=rule, broker_url="unix:///nowhere/broker.sock")
    app = create_app(away)
    answer = app.test_client().get("/api/v1/options")
    assert answer.status_code == status
    assert "RateLimit" not in answer.headers
    app.extensions["gradhouse"].database.close()
    app.extensions["gradhouse"].broker.close()


def test_on_loopback_nobody_counts_unless_told(settings: Settings) -> None:
    assert not Settings().rate_limited
    assert Settings(rate_limits="on").rate_limited
    assert Settings(host="0.0.0.0").rate_limited
    assert not Settings(host="0.0.0.0", rate_limits="off").rate_limited


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6", 0, "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 7.7.7.7", 1, "7.7.7.7"),
        ("10.0.0.1", "6.6.6.6, 7.7.7.7", 2, "6.6.6.6"),
        ("10.0.0.1", "7.7.7.7", 2, "10.0.0.1"),
        ("10.0.0.1", "a\nb", 1, "unknown"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:0db8:0001:0002"),
        ("", "", 0, "unknown"),
    ],
)
def test_an_address_is_the_peers_unless_a_proxy_is_trusted(
    peer: str, forwarded: str, proxies: int, address: str
) -> None:
    assert client_address({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, proxies) == address
