"""Packed snapshots in the database."""

from service.tables import snapshots
from service.tables.base import Database
from service.tables.snapshots import SnapshotBlock
from tests.service.tables.rows import add_job


def _append(database: Database, job_id: str, first: int, last: int) -> None:
    with database.session() as db:
        snapshots.append(db, job_id, SnapshotBlock(first, last, last - first + 1, b"states"))


def _spans(database: Database, job_id: str, after: int = -1) -> list[tuple[int, int]]:
    with database.reading() as db:
        return [(each.first_epoch, each.last_epoch) for each in snapshots.read(db, job_id, after=after)]


def test_blocks_come_in_order_and_twice_is_once(database: Database) -> None:
    job = add_job(database)
    for first, last in ((0, 10), (11, 50), (11, 50), (60, 99)):
        _append(database, job.id, first, last)
    assert _spans(database, job.id) == [(0, 10), (11, 50), (60, 99)]
    assert _spans(database, job.id, after=10) == [(11, 50), (60, 99)]


def test_what_is_trained_again_takes_the_place_of_what_came_later(database: Database) -> None:
    job = add_job(database)
    for first, last in ((0, 10), (11, 50), (60, 99), (20, 40)):
        _append(database, job.id, first, last)
    assert _spans(database, job.id) == [(0, 10), (11, 50), (20, 40)]


def test_the_nearest_block_begins_before_the_epoch(database: Database) -> None:
    job = add_job(database)
    for first, last in ((0, 10), (11, 50)):
        _append(database, job.id, first, last)
    with database.reading() as db:
        for epoch, first in ((0, 0), (10, 0), (11, 11), (999, 11)):
            block = snapshots.nearest(db, job.id, epoch)
            assert block is not None
            assert block.first_epoch == first
        assert snapshots.nearest(db, "job_none", 5) is None
