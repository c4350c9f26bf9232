"""The jobs as users see them, and what a status may become."""

import pytest

from service.tables import claims, events, jobs, wishes
from service.tables.base import Database
from service.tables.jobs import MOVES, Job, Status, move
from tests.service.tables.rows import MODEL, add_job, must_claim, progress, read


def _force(database: Database, job: Job, status: Status) -> None:
    with database.session() as db:
        db.get_one(Job, job.id).status = status


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("after", list(Status))
def test_a_status_becomes_only_what_is_allowed(database: Database, before: Status, after: Status) -> None:
    job = add_job(database)
    _force(database, job, before)
    with database.session() as db:
        moved = move(db, after, Job.id == job.id, reason="test")
    allowed = after in MOVES[before]
    assert [each.id for each in moved] == ([job.id] if allowed else [])
    assert read(database, job.id).status == (after if allowed else before)


def test_every_move_is_written_with_its_time(database: Database) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.succeed(db, claimed, progress(10), model=MODEL)
    with database.reading() as db:
        moves = events.moves(db, job.id)
    assert [each.status for each in moves] == ["queued", "running", "succeeded"]
    assert [each.at for each in moves] == sorted(each.at for each in moves)


def test_jobs_are_listed_newest_first_by_status_dataset_and_name(database: Database) -> None:
    first, second, third = add_job(database), add_job(database, name="mine"), add_job(database)
    must_claim(database)
    with database.session() as db:
        assert wishes.request_cancel(db, "local", first.id) is not None

        def ids(**filters: str) -> list[str]:
            return [each.id for each in jobs.page(db, "local", limit=10, **filters).items]

        assert ids() == [third.id, second.id, first.id]
        assert ids(status="queued") == [third.id, second.id]
        assert ids(status="canceling") == [first.id]
        assert ids(status="running") == []
        assert ids(name="mine") == [second.id]
        assert ids(dataset_id=third.dataset_id) == [third.id]
        assert jobs.page(db, "other", limit=10).items == []
