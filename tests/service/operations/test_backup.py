"""A backup of either database goes into either, rows and bytes, while the service works."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.operations.backup import BackupRefused, restore, save
from service.settings import Settings
from service.storage import FolderStorage
from service.tables import datasets, events, schema
from service.tables.base import Database
from service.tables.jobs import Job, Status
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.servers import PostgresServer, eventually
from tests.training import LONG_JOB, SEED_JOB, Workshop


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a service that has nothing yet, not even tables."""
    there = replace(settings, data_dir=tmp_path / "elsewhere")
    if request.param == "sqlite":
        return replace(there, database_url=f"sqlite:///{tmp_path}/elsewhere.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    server.execute("DROP DATABASE IF EXISTS elsewhere WITH (FORCE)")
    server.execute("CREATE DATABASE elsewhere TEMPLATE template0")
    return replace(there, database_url=server.url("elsewhere"))


@pytest.fixture
def train(settings: Settings) -> Iterator[Callable[[Settings], None]]:
    """Trains what waits."""
    opened: list[Bench] = []

    def train_all(where: Settings) -> None:
        opened.append(Bench.open(where, SharedFlag()))
        while work(opened[-1]):
            pass

    yield train_all
    for bench in opened:
        bench.close()


def test_a_restored_service_has_all_of_it_and_goes_on(
    settings: Settings,
    workshop: Workshop,
    elsewhere: Settings,
    tmp_path: Path,
    train: Callable[[Settings], None],
) -> None:
    done = workshop.add(SEED_JOB)
    train(settings)
    waiting = workshop.add(SEED_JOB)
    model, rows = workshop.model(done), workshop.rows(done)
    assert "rows and" in save(settings, folder=tmp_path / "backup")
    restore(elsewhere, folder=tmp_path / "backup")
    folders = [path for path in elsewhere.data_dir.rglob("*") if path.is_dir()]
    assert folders
    assert not [path for path in folders if path.stat().st_mode & 0o077]
    database = Database(elsewhere.database)
    there = Workshop(elsewhere, database)
    assert (there.model(done).sha256, there.rows(done)) == (model.sha256, rows)
    assert there.status(waiting) == Status.QUEUED
    with database.reading() as db:
        moved = [each.status for each in events.moves(db, done.id)]
    assert moved == ["queued", "running", "succeeded"]
    train(elsewhere)  # new rows need new numbers, and the dataset's bytes
    assert there.status(waiting) == Status.SUCCEEDED
    assert there.model(waiting).sha256 == model.sha256
    database.close()


def test_what_is_written_meanwhile_is_in_the_backup_whole_or_not_at_all(
    settings: Settings, workshop: Workshop, elsewhere: Settings, tmp_path: Path
) -> None:
    over, added = threading.Event(), []

    def go_on() -> None:
        while not over.is_set():
            added.append(workshop.add(SEED_JOB))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        eventually(lambda: len(added) > 3)
        save(settings, folder=tmp_path / "backup")
    finally:
        over.set()
        thread.join()
    restore(elsewhere, folder=tmp_path / "backup")
    database, storage = Database(elsewhere.database), FolderStorage(elsewhere.datasets_dir)
    with database.reading() as db:
        found = [job for job in added if db.get(Job, job.id)]
        assert len(found) > 3
        for job in found:
            dataset = datasets.find(db, "local", job.dataset_id)
            assert dataset is not None
            storage.read(dataset.sha256)
            assert [each.status for each in events.moves(db, job.id)] == ["queued"]
    database.close()


def test_a_service_that_has_something_is_not_written_over(
    settings: Settings, workshop: Workshop, tmp_path: Path
) -> None:
    job = workshop.add(LONG_JOB)
    save(settings, folder=tmp_path / "backup")
    with pytest.raises(BackupRefused, match="holds datasets already; restore into a new data directory"):
        restore(settings, folder=tmp_path / "backup")
    assert workshop.status(job) == Status.QUEUED


def test_a_backup_is_new_whole_and_undamaged(
    settings: Settings, workshop: Workshop, elsewhere: Settings, tmp_path: Path
) -> None:
    workshop.add(SEED_JOB)
    backup = tmp_path / "backup"
    save(settings, folder=backup)
    assert backup.stat().st_mode & 0o077 == 0
    assert {each.name for each in backup.iterdir()} == {"datasets", "manifest.json", "rows.db"}
    with pytest.raises(BackupRefused, match="exists already"):
        save(settings, folder=backup)
    (file,) = (path for path in (backup / "datasets").rglob("*") if path.is_file())
    file.write_bytes(b"something else")
    with pytest.raises(BackupRefused, match="is damaged"):
        restore(elsewhere, folder=backup)
    (backup / "manifest.json").unlink()
    with pytest.raises(BackupRefused, match="is no backup, or a half one"):
        restore(elsewhere, folder=backup)


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    settings: Settings, workshop: Workshop, elsewhere: Settings, tmp_path: Path
) -> None:
    job = workshop.add(SEED_JOB)
    save(settings, folder=tmp_path / "backup")
    older = Database(f"sqlite:///{tmp_path}/backup/rows.db")
    schema.downgrade(older, "0006")
    older.close()
    restore(elsewhere, folder=tmp_path / "backup")
    database = Database(elsewhere.database)
    assert Workshop(elsewhere, database).status(job) == Status.QUEUED
    database.close()
