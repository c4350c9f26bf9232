"""Addresses in settings are looked at before anybody connects to them."""

import pytest

from service.addresses import is_inner_by_its_writing, is_loopback, is_public
from service.settings import BadSettings, load_settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.9", "[::1]", "LocalHost"])
def test_loopback_is_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example"])
def test_other_addresses_are_reached_by_others(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("GRADHOUSE_DATABASE_URL", "mysql://me:hunter2@db/gradhouse", "sqlite://, postgresql://"),
        ("GRADHOUSE_DATABASE_URL", "me:hunter2@db/gradhouse", "sqlite://, postgresql://"),
        ("GRADHOUSE_BROKER_URL", "amqp://me:hunter2@broker", "redis://, rediss://, unix://"),
    ],
)
def test_an_address_of_another_kind_is_refused_and_its_password_not_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as refusal:
        load_settings()
    assert f"{variable} must begin with {expected}" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GRADHOUSE_DATABASE_URL", "postgresql://me:hunter2@db:main/gradhouse"),
        ("GRADHOUSE_BROKER_URL", "redis://:hunter2@broker:99999/0"),
        ("GRADHOUSE_BROKER_URL", "redis://broker:main/0"),
    ],
)
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as refusal:
        load_settings()
    assert str(refusal.value) == f"{variable} must name its port by a number from 0 to 65535"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GRADHOUSE_DATABASE_URL", "postgresql://me:p/w#2:x@db:5432/gradhouse"),
        ("GRADHOUSE_DATABASE_URL", "sqlite:////srv/me@host:main/gradhouse.db"),
        ("GRADHOUSE_BROKER_URL", "unix:///srv/me@host:main/broker.sock"),
    ],
)
def test_what_only_looks_like_a_port_is_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    load_settings()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:a00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:db8::1",
        "2001:0:7f00:1::",
        "2002:7f00:1::",
        "3fff::1",
    ],
)
def test_an_inner_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost.", "a.localhost", "::1", "10.1"]
)
def test_an_inner_host_is_known_however_it_is_written(host: str) -> None:
    assert is_inner_by_its_writing(host)


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "134744072", "localhost.example", "2606:4700::1111"]
)
def test_other_hosts_are_looked_up_first(host: str) -> None:
    assert not is_inner_by_its_writing(host)
