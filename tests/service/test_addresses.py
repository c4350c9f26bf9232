"""Addresses in settings are looked at before anybody connects to them."""

import pytest

from service.addresses import is_loopback
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
