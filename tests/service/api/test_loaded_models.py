"""The models that a process keeps."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.api.loaded_models import FRESH_SECONDS, LoadedModels, is_fixed
from service.settings import Settings
from service.tables import models
from service.tables.base import LOCAL_OWNER, Database
from tests.servers import eventually


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database)
    yield opened
    opened.close()


def test_a_model_is_decoded_once(database: Database, trained: dict[str, Any]) -> None:
    kept = LoadedModels(database)
    first = kept.find(LOCAL_OWNER, trained["model_id"])
    assert first is not None
    for reference in ("moons", "moons@1", trained["model_id"]):
        again = kept.find(LOCAL_OWNER, reference)
        assert again is not None
        assert again.trained is first.trained


def test_another_owners_model_is_not_there(database: Database, trained: dict[str, Any]) -> None:
    kept = LoadedModels(database)
    assert kept.find(LOCAL_OWNER, trained["model_id"]) is not None
    assert kept.find("somebody", trained["model_id"]) is None


def test_a_model_that_another_process_deletes_soon_answers_no_more(
    database: Database, trained: dict[str, Any]
) -> None:
    kept = LoadedModels(database)
    assert kept.find(LOCAL_OWNER, "moons@1") is not None
    with database.session() as db:
        models.remove(db, LOCAL_OWNER, "moons")
    assert kept.find(LOCAL_OWNER, "moons") is None
    eventually(lambda: kept.find(LOCAL_OWNER, "moons@1") is None, what="the model is gone")
    assert FRESH_SECONDS < 1


def test_what_is_kept_is_bounded_in_bytes(database: Database, trained: dict[str, Any]) -> None:
    kept = LoadedModels(database, max_bytes=1)
    first, again = (kept.find(LOCAL_OWNER, "moons") for _ in range(2))
    assert first is again is not None  # the last one stays whatever its size


def test_only_an_id_and_a_version_are_fixed() -> None:
    assert is_fixed("mdl_1", "mdl_1")
    assert is_fixed("moons@3", "mdl_1")
    assert not is_fixed("moons", "mdl_1")
