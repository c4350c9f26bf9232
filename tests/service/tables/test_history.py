"""Packed histories and checkpoints."""

from service.tables import history
from service.tables.base import Database
from service.tables.history import Block
from tests.service.tables.rows import add_job


def _append(database: Database, job_id: str, *spans: tuple[int, int]) -> None:
    with database.session() as db:
        history.append(db, job_id, [Block(first, last, b"rows") for first, last in spans])


def _spans(
    database: Database, job_id: str, *, after: int = 0, limit: int | None = None
) -> list[tuple[int, int]]:
    with database.reading() as db:
        blocks = history.read(db, job_id, after=after, limit=limit)
    return [(each.first_epoch, each.last_epoch) for each in blocks]


def test_blocks_come_in_order_and_only_those_asked_for(database: Database) -> None:
    job = add_job(database)
    _append(database, job.id, (1, 100), (101, 200))
    _append(database, job.id, (201, 250))
    assert _spans(database, job.id) == [(1, 100), (101, 200), (201, 250)]
    assert _spans(database, job.id, after=100) == [(101, 200), (201, 250)]
    assert _spans(database, job.id, after=99, limit=1) == [(1, 100)]
    assert _spans(database, job.id, after=99, limit=2) == [(1, 100), (101, 200)]
    assert _spans(database, job.id, after=250) == []
    with database.reading() as db:
        assert history.last_epoch(db, job.id) == 250


def test_a_block_written_again_takes_the_place_of_what_stood_there(database: Database) -> None:
    job = add_job(database)
    _append(database, job.id, (1, 10), (11, 20), (21, 30))
    _append(database, job.id, (11, 15))
    assert _spans(database, job.id) == [(1, 10), (11, 15)]


def test_a_job_without_history_has_no_blocks(database: Database) -> None:
    job = add_job(database)
    _append(database, job.id)
    assert _spans(database, job.id) == []
    with database.reading() as db:
        assert history.last_epoch(db, job.id) == 0


def test_the_two_newest_checkpoints_are_kept(database: Database) -> None:
    job = add_job(database)
    for epoch in (3, 6, 9, 9):
        with database.session() as db:
            history.save_checkpoint(db, job.id, epoch=epoch, claim=1, data=b"%d" % epoch)
    with database.reading() as db:
        kept = db.query(history.Checkpoint.epoch).order_by(history.Checkpoint.epoch).all()
        assert [each.epoch for each in kept] == [6, 9]
        assert history.sound_checkpoint(db, job.id) == (9, b"9")
