"""Statements of columns run in the session's transaction, behind what the session has still to write."""

from contextlib import suppress

from sqlalchemy import insert, select, update

from service.tables.base import Database, new_id, table_of
from service.tables.datasets import Dataset
from service.tables.events import Event
from service.tables.jobs import Job
from service.tables.plain import execute
from tests.service.tables.rows import add_dataset, add_job


def test_columns_come_as_rows_and_load_no_object(database: Database) -> None:
    job = add_job(database)
    with database.reading() as db:
        row = execute(db, select(Job.id, Job.owner)).one()
        assert (row.id, row.owner) == (job.id, job.owner)
        assert not db.identity_map


def test_what_was_added_is_written_first(database: Database) -> None:
    with database.session() as db:
        dataset = Dataset(id=new_id("ds"), owner="a", name=None, sha256="a", source_sha256="a", bytes=1)
        dataset.status, dataset.row_count, dataset.profile = "ready", 1, {}
        db.add(dataset)
        assert execute(db, select(Dataset.id)).scalar_one() == dataset.id


def test_many_rows_go_in_at_once(database: Database) -> None:
    job = add_job(database)
    rows = [{"job_id": job.id, "type": "progress", "claim": 1, "epoch": epoch} for epoch in (1, 2)]
    with database.session() as db:
        execute(db, insert(table_of(Event)), rows)
        assert list(execute(db, select(Event.epoch).where(Event.claim == 1)).scalars()) == [1, 2]


def test_what_is_written_is_undone_with_the_transaction(database: Database) -> None:
    job = add_job(database)
    with suppress(ZeroDivisionError), database.session() as db:
        execute(db, update(table_of(Job)).values(owner="other"))
        raise ZeroDivisionError
    with database.reading() as db:
        assert execute(db, select(Job.owner)).scalar_one() == job.owner


def test_objects_are_not_told(database: Database) -> None:
    with database.session() as db:
        dataset = add_dataset(db)
        execute(db, update(table_of(Dataset)).values(owner="other"))
        assert dataset.owner == "local"
