"""What a training process works with."""

import os
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import select

from engine.data.samples import make_sample
from service.storage import FolderStorage, MissingBytes
from service.tables.base import Database
from service.worker.bench import TABLES_KEPT, BusyBoard, Heart, SharedFlag, Tables
from tests.servers import eventually
from tests.service.tables.rows import add_job, must_claim, read


def _put(storage: FolderStorage, count: int) -> list[str]:
    return [storage.put(make_sample("moons", {"random_state": seed}).to_parquet()) for seed in range(count)]


def test_a_dataset_is_decoded_once_and_the_oldest_give_way(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    digests = _put(storage, TABLES_KEPT + 1)
    tables = Tables(storage)
    first = tables.get(digests[0])
    for digest in digests[:TABLES_KEPT]:
        tables.get(digest)
    assert tables.get(digests[0]) is first
    tables.get(digests[-1])
    storage.delete(digests[0])
    storage.delete(digests[1])
    assert tables.get(digests[0]) is first
    with pytest.raises(MissingBytes):
        tables.get(digests[1])


def test_a_heart_beats_on_after_a_time_without_a_free_connection(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=1, busy_seconds=0.05)
    job = add_job(database)
    claimed = must_claim(database)
    heart = Heart(database, lease_seconds=0.3)
    heart.start()
    with database.session() as one, database.session() as other:  # all that there are
        for db in (one, other):
            db.execute(select(1))
        heart.begin(claimed)
        sleep(1.0)  # several beats, each in vain
        assert heart.is_alive()
    taken_at = read(database, job.id).heartbeat_at
    eventually(lambda: read(database, job.id).heartbeat_at != taken_at, what="the heart beats again")
    heart.end()
    sleep(0.5)  # a beat under way comes to its end: it would open a connection that nobody closes
    database.close()


def test_a_flag_raised_by_the_parent_is_seen_in_the_child() -> None:
    flag = SharedFlag()
    assert not flag.is_set()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)
        os._exit(0 if flag.is_set() else 1)
    flag.set()
    os.write(writer, b"!")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(reader)
    os.close(writer)


def test_a_child_at_work_is_seen_on_its_parents_board() -> None:
    board = BusyBoard()
    reader, writer = os.pipe()
    done, finish = os.pipe()
    child = os.fork()
    if child == 0:
        with board.at_work():
            os.write(writer, b"!")
            os.read(done, 1)
        os._exit(0)
    os.read(reader, 1)
    assert board.anyone()
    os.write(finish, b"!")
    os.waitpid(child, 0)
    assert not board.anyone()
    for file in (reader, writer, done, finish):
        os.close(file)
