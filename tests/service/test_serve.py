"""The API process: its application, and what it refuses."""

import pytest

from service.serve import application, run
from service.settings import Settings
from service.tables.schema import OutdatedSchema


def test_an_api_refuses_a_database_without_tables(tmp_path: object) -> None:
    with pytest.raises(OutdatedSchema, match="gradhouse db upgrade"):
        run(Settings(database_url=f"sqlite:///{tmp_path}/empty.db"))


def test_the_application_takes_its_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADHOUSE_PORT", "0")
    with pytest.raises(ValueError, match="GRADHOUSE_PORT must be between 1 and 65535, got 0"):
        application()
