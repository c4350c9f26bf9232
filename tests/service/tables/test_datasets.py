"""The datasets' rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.tables import datasets, queue, wishes
from service.tables.base import Conflict, Database
from service.tables.datasets import Dataset

SPEC = {"training": {"epochs": 3}, "split": {}}


@pytest.fixture
def dataset(database: Database) -> Dataset:
    with database.session() as db:
        return datasets.add(
            db, owner="local", name="moons", profile={"row_count": 100}, sha256="a" * 64, size=10
        )


def test_a_dataset_is_its_owners_alone(database: Database, dataset: Dataset) -> None:
    with database.session() as db:
        assert datasets.find(db, "local", dataset.id) is not None
        assert datasets.find(db, "other", dataset.id) is None
        assert datasets.page(db, "other", limit=5).items == []
        assert datasets.remove(db, "other", dataset.id) is False


def test_a_dataset_stays_while_a_job_needs_it(database: Database, dataset: Dataset) -> None:
    with database.session() as db:
        job = queue.add(db, owner="local", dataset_id=dataset.id, spec=SPEC)
    with pytest.raises(Conflict, match=job.id) as refusal, database.session() as db:
        datasets.remove(db, "local", dataset.id)
    assert refusal.value.code == "dataset_in_use"
    with database.session() as db:
        wishes.request_cancel(db, "local", job.id)
        assert datasets.remove(db, "local", dataset.id) is True
        assert datasets.find(db, "local", dataset.id) is None


def test_bytes_are_in_use_until_the_last_dataset_on_them_is_gone(
    database: Database, dataset: Dataset
) -> None:
    with database.session() as db:
        twin = datasets.add(
            db, owner="other", name=None, profile={"row_count": 100}, sha256="a" * 64, size=10
        )
        datasets.remove(db, "local", dataset.id)
        assert datasets.in_use(db, "a" * 64)
        datasets.remove(db, "other", twin.id)
        assert not datasets.in_use(db, "a" * 64)


def test_nobody_removes_a_dataset_whose_job_is_joining_the_queue(
    database: Database, dataset: Dataset
) -> None:
    def remove() -> None:
        with database.session() as db:
            datasets.remove(db, "local", dataset.id)

    with ThreadPoolExecutor(1) as pool:
        with database.session() as db:
            job = queue.add(db, owner="local", dataset_id=dataset.id, spec=SPEC)
            removed = pool.submit(remove)
            with pytest.raises(TimeoutError):
                removed.result(0.2)
        with pytest.raises(Conflict, match=job.id):
            removed.result()
