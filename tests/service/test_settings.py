"""The settings: read once, refused in words."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from service.settings import BadSettings, Settings, describe_settings, load_settings


def test_the_defaults_are_a_service_on_this_machine_alone() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8137)
    assert settings.database == f"sqlite:///{Path.cwd() / 'gradhouse-data' / 'gradhouse.db'}"


def test_a_variable_changes_a_setting_and_an_option_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADHOUSE_PORT", "9000")
    monkeypatch.setenv("GRADHOUSE_DATA_DIR", "/srv/gradhouse")
    assert load_settings().port == 9000
    assert load_settings(port=9001, data_dir=None).port == 9001
    assert load_settings(data_dir=None).data_dir == Path("/srv/gradhouse")


def test_every_wrong_variable_is_named_with_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADHOUSE_PORT", "70000")
    monkeypatch.setenv("GRADHOUSE_MAX_TRIES", "0")
    monkeypatch.setenv("GRADHOUSE_MAX_EPOCHS", "many")
    monkeypatch.setenv("GRADHOUSE_LOG_FORMAT", "xml")
    monkeypatch.setenv("GRADHOUSE_LEASE_SECONDS", "soon")
    with pytest.raises(BadSettings) as refusal:
        load_settings()
    text = str(refusal.value)
    assert "GRADHOUSE_PORT must be between 1 and 65535, got 70000" in text
    assert "GRADHOUSE_MAX_TRIES must be at least 1, got 0" in text
    assert "GRADHOUSE_MAX_EPOCHS must be a whole number" in text
    assert "GRADHOUSE_LOG_FORMAT must be one of console, json, got xml" in text
    assert "GRADHOUSE_LEASE_SECONDS must be a number" in text


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgresql_url_serves(scheme: str) -> None:
    url = Settings(database_url=f"{scheme}://me@db:5432/gradhouse").database
    assert url == "postgresql+psycopg://me@db:5432/gradhouse"


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(port=9000, data_dir=Path("/srv"), lease_seconds=2.5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_every_setting_has_a_help_text() -> None:
    assert all(row["help"] and row["variable"].startswith("GRADHOUSE_") for row in describe_settings())


def test_the_engine_takes_the_limits() -> None:
    settings = Settings(max_units=7, max_rows=5)
    assert settings.engine_limits().max_units == 7
    assert settings.data_bounds().max_rows == 5


def test_what_holds_a_password_is_not_printed() -> None:
    settings = Settings(database_url="postgresql://me:hunter2@db/x", broker_url="redis://:hunter2@broker/0")
    assert "hunter2" not in repr(settings) + str(settings)
    assert "hunter2" in settings.database


def test_hosts_are_names_between_commas() -> None:
    assert Settings(allowed_hosts=" A.example, b.example ,").hosts == {"a.example", "b.example"}
    assert Settings().hosts == frozenset()


TESTS = Path(__file__).parents[1]
BOUNDS_BY_ANOTHER_NAME = (
    "header_seconds",
    "inline_bytes",
    "stream_seconds",
    "key_rate",
    "key_burst",
    "address_rate",
    "address_burst",
    "trusted_proxies",
    "decoder_bytes",
    "decoder_seconds",
    "replay_snapshots",
    "replay_bytes",
    "webhook_seconds",
    "webhook_attempts",
    "webhooks_at_once",
)


def test_every_bound_has_a_test_that_names_it() -> None:
    texts = "\n".join(
        path.read_text() for path in TESTS.rglob("*.py") if path not in (Path(__file__), TESTS / "servers.py")
    )
    names = {each.name for each in fields(Settings)}
    bounds = {name for name in names if name.startswith("max_")} | set(BOUNDS_BY_ANOTHER_NAME)
    assert bounds <= names
    named = set(re.findall(r"\w+", texts.lower().replace("gradhouse_", "")))
    assert not bounds - named
