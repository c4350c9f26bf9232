"""The models: immutable rows, gathered by name."""

import threading

import pytest

from service.tables import models
from service.tables.base import Database
from service.tables.models import Model, Wanted
from tests.service.tables.rows import MODEL


def _add(database: Database, job_id: str, *, name: str | None = "moons", owner: str = "local") -> Model:
    facts = {**MODEL, "name": name}
    with database.session() as db:
        return models.add(db, owner=owner, job_id=job_id, dataset_id="ds_1", **facts)


def test_a_name_gathers_versions_for_each_owner(database: Database) -> None:
    made = [_add(database, f"job_{number}") for number in range(3)]
    other = _add(database, "job_other", owner="other")
    assert [each.version for each in made] == [1, 2, 3]
    assert other.version == 1


def test_a_model_is_found_by_id_name_and_version(database: Database) -> None:
    first, second = _add(database, "job_1"), _add(database, "job_2")
    with database.reading() as db:
        for reference, wanted in (
            (first.id, first),
            ("moons", second),
            ("moons@1", first),
            ("moons@2", second),
        ):
            found = models.find(db, "local", reference)
            assert found is not None
            assert found.id == wanted.id
        for reference in ("moons@3", "moons@", "moons@x", "moons@²", "suns", "", "@1", "moons@" + "9" * 40):
            assert models.find(db, "local", reference) is None
        assert models.find(db, "other", first.id) is None


def test_the_number_of_a_deleted_version_never_comes_back(database: Database) -> None:
    _add(database, "job_1")
    with database.session() as db:
        assert models.remove(db, "local", "moons@1")
        assert not models.remove(db, "local", "moons@1")
    assert _add(database, "job_2").version == 2


def test_models_that_end_at_once_get_different_versions(database: Database) -> None:
    versions: list[int] = []

    def add(job_id: str) -> None:
        versions.append(_add(database, job_id).version)

    threads = [threading.Thread(target=add, args=(f"job_{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]


def test_models_without_a_name_are_each_the_first(database: Database) -> None:
    made = [_add(database, f"job_{number}", name=None) for number in range(2)]
    assert [each.version for each in made] == [1, 1]


def test_a_list_holds_no_parameters_and_a_removed_model_leaves_none(database: Database) -> None:
    model = _add(database, "job_1")
    with database.session() as db:
        assert not hasattr(models.page(db, "local", limit=5).items[0], "parameters")
        assert models.parameters(db, model.id) == b"parameters"
        models.remove(db, "local", model.id)
        assert models.parameters(db, model.id) is None
        assert models.page(db, "local", limit=5, wanted=Wanted(name="moons")).items == []


@pytest.mark.parametrize("job_id", ["job_1"])
def test_a_job_makes_one_model_at_most(database: Database, job_id: str) -> None:
    _add(database, job_id)
    with pytest.raises(Exception, match=r"(?i)unique"):
        _add(database, job_id)
