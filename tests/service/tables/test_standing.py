"""How a job stands: all of it in one statement, and the same as the rows say one by one."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, update

from service.tables import claims, events, queue, standing
from service.tables.base import Database, table_of
from service.tables.events import Event
from service.tables.functions import database_now
from service.tables.standing import Standing
from tests.service.tables.rows import MODEL, SPEC, add_job, must_claim, progress

MOMENTS = (1_795_631_556.5269999, 1_795_631_556.527, 1_795_631_556.000001, 0.0)


def _look(database: Database, job_id: str, *, owner: str = "local", most: int = 500) -> Standing | None:
    with database.reading() as db:
        return standing.look(db, owner, job_id, count_up_to=most)


def _must_look(database: Database, job_id: str) -> Standing:
    found = _look(database, job_id)
    assert found is not None
    return found


def test_a_job_stands_with_its_moves_and_who_is_ahead_of_it(database: Database) -> None:
    first, second = add_job(database), add_job(database)
    urgent = add_job(database, owner="other", priority="high")
    waiting = _must_look(database, second.id)
    assert (waiting.job.id, waiting.ahead, waiting.silence) == (second.id, 2, None)
    assert [(move.status, move.reason) for move in waiting.moves] == [("queued", "created")]
    assert waiting.moves[0].at == waiting.job.created_at
    claimed = [must_claim(database, f"w{number}") for number in range(2)]
    assert [each.job_id for each in claimed] == [urgent.id, first.id]
    with database.session() as db:
        claims.succeed(db, claimed[1], progress(10), model=MODEL)
    done = _must_look(database, first.id)
    assert [move.status for move in done.moves] == ["queued", "running", "succeeded"]
    assert [move.at for move in done.moves] == sorted(move.at for move in done.moves)
    assert (done.job.status, done.ahead, done.silence) == ("succeeded", None, None)
    assert _must_look(database, second.id).ahead == 0


def test_who_is_ahead_is_counted_so_far_as_is_asked(database: Database) -> None:
    ids = [add_job(database).id for _ in range(4)]
    found = [_look(database, ids[-1], most=most) for most in (0, 1, 3, 9)]
    assert [each and each.ahead for each in found] == [None, 1, 3, 3]


def test_nobody_sees_how_anothers_job_stands(database: Database) -> None:
    job = add_job(database)
    assert _look(database, job.id, owner="other") is None
    assert _look(database, "job_none") is None


def test_a_look_is_one_statement_and_sees_what_the_transaction_did(database: Database) -> None:
    job, sent = add_job(database), list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    with database.session() as db:
        assert standing.look(db, "local", job.id, count_up_to=500) is not None
        event.remove(database.engine, "before_cursor_execute", note)
        must = queue.add(db, owner="local", dataset_id=job.dataset_id, spec=SPEC)
        found = standing.look(db, "local", must.id, count_up_to=500)
    assert len(sent) == 1
    assert found is not None
    assert found.ahead == 1


@pytest.mark.parametrize("seconds", MOMENTS)
def test_moments_are_those_of_the_rows_to_the_microsecond(database: Database, seconds: float) -> None:
    job = add_job(database)
    with database.session() as db:
        row = {"job_id": job.id, "type": "transition", "at": datetime.fromtimestamp(seconds, UTC), "claim": 0}
        db.execute(insert(table_of(Event)), [{**row, "status": "failed", "reason": None}])
    last = _must_look(database, job.id).moves[-1]
    assert last == ("failed", datetime.fromtimestamp(seconds, UTC), None)
    with database.reading() as db:
        assert events.moves(db, job.id)[-1] == last


def test_a_worker_that_lives_but_has_saved_nothing_is_silent_of_its_progress_alone(
    database: Database,
) -> None:
    job = add_job(database)
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        db.execute(update(Event).where(Event.job_id == job.id).values(at=database_now() - 7))
        claims.heartbeat(db, claimed, lease_seconds=60)
    silence = _must_look(database, job.id).silence
    assert silence is not None
    assert silence.of_life < 5
    assert silence.of_progress >= 7
