"""Large uploads in the worker: Parquet and a profile, or a refusal that leaves no bytes."""

import io
from typing import Any

import polars as pl

from engine.data.reading.formats import read_table
from engine.data.reading.options import NULLS
from service.settings import Settings
from service.storage import FolderStorage
from service.tables import datasets
from service.tables.base import Database
from service.tables.datasets import Dataset
from service.tables.jobs import Job
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.service.decoding.damaged import parquet_of_a_monstrous_page

PARQUET = "application/vnd.apache.parquet"


def validated(
    settings: Settings, database: Database, data: bytes, media_type: str = "text/csv"
) -> tuple[Dataset, Job, FolderStorage]:
    storage = FolderStorage(settings.datasets_dir)
    reading = {"media_type": media_type, "types": {}, "nulls": sorted(NULLS)}
    with database.session() as db:
        digest = storage.put_file(io.BytesIO(data))
        dataset, job = datasets.expect(
            db, owner="local", name=None, sha256=digest, size=len(data), reading=reading
        )
    bench = Bench.open(settings, SharedFlag())
    while work(bench) is not None:
        pass
    bench.close()
    with database.reading() as db:
        return db.get_one(Dataset, dataset.id), db.get_one(Job, job.id), storage


def test_a_good_upload_becomes_parquet(settings: Settings, database: Database) -> None:
    dataset, job, storage = validated(settings, database, b"x,y\n1,a\n2,b\n")
    assert (job.status, dataset.status, dataset.row_count) == ("succeeded", "ready", 2)
    assert storage.read(dataset.sha256).startswith(b"PAR1")
    assert [path.name for path in settings.datasets_dir.glob("??/*")] == [dataset.sha256]


def test_a_bad_upload_says_why_and_leaves_nothing(settings: Settings, database: Database) -> None:
    dataset, job, _ = validated(settings, database, b"x,y\n1\n")
    assert (job.status, dataset.status) == ("failed", "validating")
    assert job.error is not None
    assert job.error["errors"][0]["detail"] == "line 2 has 1 cells, the header has 2"
    with database.reading() as db:
        assert datasets.rejection(db, dataset) == job.error
    assert list(settings.datasets_dir.glob("??/*")) == []


def test_bytes_that_another_upload_waits_for_stay(settings: Settings, database: Database) -> None:
    storage, bad = FolderStorage(settings.datasets_dir), b"x,y\n1\n"
    reading = {"media_type": "text/csv", "types": {}, "nulls": sorted(NULLS)}
    with database.session() as db:
        facts: Any = {"sha256": storage.put(bad), "size": len(bad), "reading": reading}
        ids = [datasets.expect(db, owner="local", name=None, **facts)[1].id for _ in range(2)]
    bench = Bench.open(settings, SharedFlag())
    while work(bench) is not None:
        pass
    bench.close()
    with database.reading() as db:
        errors = [db.get_one(Job, each).error for each in ids]
    assert [error and error["code"] for error in errors] == ["bad_data", "bad_data"]
    assert list(settings.datasets_dir.glob("??/*")) == []


def test_a_binary_file_is_decoded_elsewhere_into_the_same_bytes(
    settings: Settings, database: Database
) -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    dataset, job, storage = validated(settings, database, buffer.getvalue(), PARQUET)
    assert (job.status, dataset.status, dataset.row_count) == ("succeeded", "ready", 2)
    assert storage.read(dataset.sha256) == read_table(buffer.getvalue(), PARQUET).to_parquet()


def test_a_file_that_ends_its_decoder_ends_no_worker(settings: Settings, database: Database) -> None:
    dataset, job, _ = validated(settings, database, parquet_of_a_monstrous_page(), PARQUET)
    assert (job.status, dataset.status) == ("failed", "validating")
    assert job.error is not None
    assert job.error["errors"][0]["code"] == "undecodable"
    assert list(settings.datasets_dir.glob("??/*")) == []
