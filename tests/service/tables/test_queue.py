"""The queue: who is taken next, and who waits where."""

import pytest

from service.tables import queue
from service.tables.base import Database
from service.tables.jobs import Job
from tests.service.tables.rows import SPEC, add_dataset, add_job, claim, must_claim, read


def test_a_new_job_is_given_as_it_stands_in_the_table(database: Database) -> None:
    job = add_job(database, name="mine", priority="low")
    stored = read(database, job.id)
    columns = [column.key for column in Job.__mapper__.column_attrs]
    assert {name: getattr(job, name) for name in columns} == {name: getattr(stored, name) for name in columns}


@pytest.mark.parametrize("owner", ["local", "other"])
def test_no_job_joins_without_a_dataset_of_its_owners(database: Database, owner: str) -> None:
    with database.session() as db:
        own, theirs = (add_dataset(db, each) for each in (owner, "other" if owner == "local" else "local"))
        for missing in (theirs.id, "ds_none"):
            with pytest.raises(queue.NoDataset, match=missing):
                queue.add(db, owner=owner, dataset_id=missing, spec=SPEC)
            validating = {**SPEC, "split": {**SPEC["split"], "dataset_id": missing}}
            with pytest.raises(queue.NoDataset, match=missing):
                queue.add(db, owner=owner, dataset_id=own.id, spec=validating)
    with database.reading() as db:
        assert queue.length(db) == 0


def test_the_length_is_that_of_what_waits(database: Database) -> None:
    with database.reading() as db:
        assert (queue.length(db), queue.any_waits(db)) == (0, False)
    for _ in range(2):
        add_job(database)
    must_claim(database)
    with database.reading() as db:
        assert (queue.length(db), queue.any_waits(db)) == (1, True)


def test_workers_take_jobs_by_priority_then_by_age(database: Database) -> None:
    low, normal, high = (add_job(database, priority=each) for each in ("low", "normal", "high"))
    younger = add_job(database, priority="high")
    taken = [must_claim(database, f"w{number}").job_id for number in range(4)]
    assert taken == [high.id, younger.id, normal.id, low.id]
    assert claim(database, "w9") is None


def test_owners_take_turns_however_many_jobs_one_has(database: Database) -> None:
    many = [add_job(database, owner="many").id for _ in range(4)]
    assert must_claim(database, "w0").job_id == many[0]
    few = [add_job(database, owner="few").id for _ in range(2)]
    taken = [must_claim(database, f"w{number}").job_id for number in range(1, 6)]
    assert taken == [many[1], few[0], many[2], few[1], many[3]]
