"""The models that a process keeps."""

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.loaded_models import FRESH_SECONDS, LoadedModels, is_fixed
from service.settings import Settings
from service.tables import models
from service.tables.base import LOCAL_OWNER, Database
from service.tables.models import Model
from tests.servers import eventually


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database)
    yield opened
    opened.close()


def copies_of(database: Database, model_id: str, count: int) -> list[str]:
    """The same model so many times more, versions 1, 2, … of one name."""
    with database.session() as db:
        model, data = db.get_one(Model, model_id), models.parameters(db, model_id)
        names = ("sha256", "parameter_count", "spec", "metrics", "inputs", "classes")
        facts = {name: getattr(model, name) for name in names} | {"parameters": data, "name": "copies"}
        return [models.add(db, owner=LOCAL_OWNER, **facts).id for _ in range(count)]


def test_a_model_is_decoded_once(database: Database, trained: dict[str, Any]) -> None:
    kept = LoadedModels(database, max_bytes=2**30)
    first = kept.find(LOCAL_OWNER, trained["model_id"])
    assert first is not None
    for reference in ("moons", "moons@1", trained["model_id"]):
        again = kept.find(LOCAL_OWNER, reference)
        assert again is not None
        assert again.trained is first.trained


def test_another_owners_model_is_not_there(database: Database, trained: dict[str, Any]) -> None:
    kept = LoadedModels(database, max_bytes=2**30)
    assert kept.find(LOCAL_OWNER, trained["model_id"]) is not None
    assert kept.find("somebody", trained["model_id"]) is None


def test_a_model_that_another_process_deletes_soon_answers_no_more(
    database: Database, trained: dict[str, Any]
) -> None:
    kept = LoadedModels(database, max_bytes=2**30)
    assert kept.find(LOCAL_OWNER, "moons@1") is not None
    with database.session() as db:
        models.remove(db, LOCAL_OWNER, "moons")
    assert kept.find(LOCAL_OWNER, "moons") is None
    eventually(lambda: kept.find(LOCAL_OWNER, "moons@1") is None, what="the model is gone")
    assert FRESH_SECONDS < 1


def test_a_model_that_another_process_renames_soon_answers_with_its_new_version(
    database: Database, trained: dict[str, Any]
) -> None:
    kept = LoadedModels(database, max_bytes=2**30)
    before = kept.find(LOCAL_OWNER, trained["model_id"])
    assert before is not None
    with database.session() as db:
        models.change(db, LOCAL_OWNER, "moons", name="suns")
        models.change(db, LOCAL_OWNER, "suns", name="moons")  # the second of that name

    def renamed() -> bool:
        found = kept.find(LOCAL_OWNER, trained["model_id"])
        return found is not None and found.version == 2 and found.trained is before.trained

    eventually(renamed, what="the version is the new one")


def test_what_is_kept_is_bounded_in_bytes(database: Database, trained: dict[str, Any]) -> None:
    copies = copies_of(database, trained["model_id"], 4)
    kept = LoadedModels(database, max_bytes=1)
    first, again = (kept.find(LOCAL_OWNER, "moons") for _ in range(2))
    assert first is not None
    assert first is again  # the last one stays whatever its size
    kept = LoadedModels(database, max_bytes=2 * first.size)
    seen = [weakref.ref(kept.find(LOCAL_OWNER, each).trained) for each in copies]  # type: ignore[union-attr]
    gc.collect()
    assert [each() is not None for each in seen] == [False, False, True, True]


def test_any_number_of_threads_may_ask_while_models_come_and_go(
    database: Database, trained: dict[str, Any]
) -> None:
    """Whoever is answered gets the model that the reference means, or meant less than a second ago."""
    kept = LoadedModels(database, max_bytes=1)  # so that each is decoded over and over
    copies = copies_of(database, trained["model_id"], 3)
    stop, wrong = threading.Event(), []

    def ask(reference: str) -> None:
        while not stop.is_set():
            found = kept.find(LOCAL_OWNER, reference)
            if found is not None and found.id not in (*copies, trained["model_id"]):
                wrong.append((reference, found.id))

    references = [*copies, "copies", "copies@1", "copies@champion", "copies@3"]
    askers = [threading.Thread(target=ask, args=(each,)) for each in references]
    for asker in askers:
        asker.start()
    try:
        for turn in range(20):
            with database.session() as db:
                models.put_alias(db, LOCAL_OWNER, "copies", "champion", copies[turn % 2])
            kept.forget_references()
            champion = kept.find(LOCAL_OWNER, "copies@champion")
            assert champion is not None
            assert champion.id == copies[turn % 2]
        for each in copies:
            with database.session() as db:
                models.remove(db, LOCAL_OWNER, each)
            kept.forget(each)
            assert kept.find(LOCAL_OWNER, each) is None
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert [kept.find(LOCAL_OWNER, each) for each in references] == [None] * len(references)
    assert wrong == []


def test_only_an_id_and_a_version_are_fixed() -> None:
    assert is_fixed("mdl_1", "mdl_1")
    assert is_fixed("moons@3", "mdl_1")
    assert not is_fixed("moons", "mdl_1")
