"""The ways of the queries: what is done often never walks through every job there ever was."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from service.tables import (
    batches,
    claims,
    datasets,
    events,
    idempotency,
    jobs,
    queue,
    standing,
    sweeps,
    wishes,
)
from service.tables.base import Conflict, Database, table_of
from service.tables.batches import Ending
from service.tables.forecast import Place
from service.tables.idempotency import Kept, Reservation
from service.tables.jobs import Job
from service.tables.outlook import Outlook
from tests.service.tables.rows import MODEL, SMALL, add_job, must_claim, progress

OPEN_ROWS_ONLY = ("ix_jobs_queued", "ix_jobs_queued_owner", "ix_jobs_running", "ix_jobs_open_dataset_id")
NO_TABLE = (
    "SCAN CONSTANT ROW",
    "SCAN anon_",
    "SCAN (subquery",
)  # one row, or what a query within this one has found


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """SQLite alone: what PostgreSQL plans depends on its statistics, which a small test does not have."""
    database = Database(sqlite_url)
    yield database
    database.close()


@contextmanager
def _explained(database: Database, explain: str) -> Iterator[list[tuple[str, str]]]:
    """Collects statements and their plans."""
    found: list[tuple[str, str]] = []

    def look(_connection: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")):
            steps = cursor.connection.execute(f"{explain} {statement}", values).fetchall()
            found.append((statement, "\n".join(str(step[-1]) for step in steps)))

    event.listen(database.engine, "before_cursor_execute", look)
    yield found
    event.remove(database.engine, "before_cursor_execute", look)


@contextmanager
def _walks(database: Database) -> Iterator[list[str]]:
    """Collects the steps of every plan that go through a whole table or a whole index of all rows."""
    found: list[str] = []
    with _explained(database, "EXPLAIN QUERY PLAN") as plans:
        yield found
    found += [
        f"{step} <- {statement}"
        for statement, plan in plans
        for step in plan.splitlines()
        if step.startswith("SCAN")
        and not step.startswith(NO_TABLE)
        and step.split()[-1] not in OPEN_ROWS_ONLY
    ]


def _everything(db: Session, job: Job) -> None:
    jobs.find(db, "local", job.id)
    outlook = Outlook()
    outlook.position(db, job)
    outlook.foresee(db)
    outlook._far(db, Place(job.priority, job.turn, job.id))
    queue.any_waits(db)
    standing.look(db, "local", job.id, count_up_to=500)
    jobs.goes_on(db, "local", job.id)
    events.read(db, job.id, after=3, limit=10)
    for status in (None, "queued", "running", "canceling"):
        jobs.page(db, "local", limit=10, status=status)
    sweeps.end_leases(db, max_tries=3)
    sweeps.end_lease_of(db, "nobody", max_tries=3)
    sweeps.fail_declined(db, patience_seconds=-1)
    sweeps.lost_messages(db, grace_seconds=-1, limit=10)
    sweeps.holders(db)
    sweeps.claims_since(db, 10**9)  # near the end of the log, where the watchdog's cursor is
    datasets.in_use(db, "a" * 64)
    with pytest.raises(Conflict):
        wishes.request_stop(db, "local", job.id)
    wishes.request_cancel(db, "local", job.id)
    wishes.resume(db, "local", job.id)
    wanted = Reservation(owner="local", key="a", token="b", fingerprint="c")
    idempotency.reserve(db, wanted)
    idempotency.complete(db, wanted, Kept(202, {}, b""))


def _protocol(database: Database, waiting: Job) -> None:
    """What is done with jobs again and again, once each."""
    claimed = must_claim(database)
    with database.session() as db:
        claims.save_progress(db, claimed, progress(4), lease_seconds=60)
        claims.heartbeat(db, claimed, lease_seconds=60)
        claims.read_flags(db, claimed)
        standing.look(db, "local", claimed.job_id, count_up_to=500)
    with database.session() as db, pytest.raises(Conflict):
        datasets.remove(db, "local", claimed.dataset_id)
    with database.session() as db:
        _everything(db, waiting)
    with database.session() as db:
        claims.release(db, claimed, reason="slice")
    add_job(database)
    with database.session() as db:
        batch = batches.claim(db, "w", claim_id="batch", lease_seconds=60, most=4)
        batches.heartbeat(db, batch, lease_seconds=60)
        for most_of_owner in (5, 1):  # with room and without
            options: dict[str, Any] = {"lease_seconds": 60, "most": 4, "most_of_owner": most_of_owner}
            batches.claim(db, "w", claim_id=f"room {most_of_owner}", **options)
        batches.succeed(db, [Ending(each, progress(10), MODEL) for each in batch])
        batches.give_back(db, batch)


def test_no_query_walks_through_every_job(sqlite: Database) -> None:
    waiting = [add_job(sqlite, spec=SMALL) for _ in range(50)]
    with _walks(sqlite) as walks:
        _protocol(sqlite, waiting[-1])
    assert walks == []


def _claim_beside_full_owners(database: Database) -> None:
    full = frozenset({"local", "another"})
    with database.session() as db:
        assert claims.claim_next(db, "w", claim_id="full", lease_seconds=60, full=full) is None
        assert queue.length_of(db, "local") > 0


def test_sqlite_passes_jobs_of_full_owners_by_without_reading_their_rows(sqlite: Database) -> None:
    for _ in range(3):
        add_job(sqlite)
    with _explained(sqlite, "EXPLAIN QUERY PLAN") as plans:
        _claim_beside_full_owners(sqlite)
    (claim,) = [plan for statement, plan in plans if "owner NOT IN" in statement]
    assert "SCAN jobs USING INDEX ix_jobs_queued\n" in claim
    assert "TEMP B-TREE" not in claim  # it is in the index's order, and what it needs of most rows is there
    assert "owner" in [
        column.name
        for index in table_of(Job).indexes
        if index.name == "ix_jobs_queued"
        for column in index.columns
    ]
    (length,) = [plan for statement, plan in plans if "count(*)" in statement]
    assert " USING COVERING INDEX " in length


def test_sqlite_counts_who_is_ahead_from_a_place_in_the_index(sqlite: Database) -> None:
    job = add_job(sqlite)
    with _explained(sqlite, "EXPLAIN QUERY PLAN") as plans, sqlite.reading() as db:
        standing.look(db, "local", job.id, count_up_to=500)
    (plan,) = [plan for _, plan in plans]
    assert "ix_jobs_queued ((priority,turn,id)<(?,?,?))" in plan


def test_sqlite_finds_the_moves_of_a_long_job_without_its_progress(sqlite: Database) -> None:
    job = add_job(sqlite)
    with _explained(sqlite, "EXPLAIN QUERY PLAN") as plans, sqlite.reading() as db:
        standing.look(db, "local", job.id, count_up_to=500)
        assert [move.status for move in events.moves(db, job.id)] == ["queued"]
    assert all("SEARCH events USING INDEX ix_events_moves (job_id=?)" in plan for _, plan in plans)


LARGE = ("jobs", "events", "history_blocks")


@pytest.fixture
def full(postgres_url: str) -> Iterator[Database]:
    """A PostgreSQL with thousands of jobs that wait, ten times as many that are done, and their logs."""
    database = Database(postgres_url)
    first = add_job(database, spec=SMALL)
    with database.session() as db:
        _copy(db, first, 3_000)
        _copy(db, first, 30_000, status="succeeded")
        db.execute(text("UPDATE jobs SET finished_at = created_at WHERE status = 'succeeded'"))
        db.execute(
            text(
                "INSERT INTO events (job_id, type, at, claim) SELECT id, 'progress', 0, 1 FROM jobs;"
                "INSERT INTO history_blocks SELECT id, 1, 4096, 'rows' FROM jobs WHERE status = 'succeeded'"
            )
        )
    _count_rows(database, "ANALYZE")
    yield database
    database.close()


def _copy(db: Session, job: Job, count: int, status: str = "queued") -> None:
    columns = [column.name for column in Job.__table__.columns if column.name not in {"id", "turn", "status"}]
    same = ", ".join(f'"{name}"' for name in columns)
    copies = f"'job_{status}_' || n, '{status}', n, {same} FROM jobs, generate_series(1, {count}) n"
    db.execute(
        text(f"INSERT INTO jobs (id, status, turn, {same}) SELECT {copies} WHERE id = :id"), {"id": job.id}
    )


def _count_rows(database: Database, how: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(how))


def test_postgresql_reads_no_large_table_from_end_to_end(full: Database) -> None:
    with full.reading() as db:
        waiting = db.scalars(select(Job).where(Job.id == "job_queued_2000")).one()
    with _explained(full, "EXPLAIN") as plans:
        _protocol(full, waiting)
    assert [(name, plan) for _, plan in plans for name in LARGE if f"Seq Scan on {name}" in plan] == []


def test_postgresql_passes_jobs_of_full_owners_by_among_the_open_rows_alone(full: Database) -> None:
    with _explained(full, "EXPLAIN") as plans:
        _claim_beside_full_owners(full)
    (plan,) = [plan for statement, plan in plans if "owner NOT IN" in statement]
    assert "Seq Scan" not in plan
    assert re.search(rf"Index Scan (using|on) ({'|'.join(OPEN_ROWS_ONLY)})\b", plan)


def test_postgresql_keeps_to_the_order_of_a_queue_that_was_empty_when_it_counted(postgres_url: str) -> None:
    """A night without jobs, then thousands at once: its statistics still say that nothing waits."""
    database = Database(postgres_url)
    first = add_job(database, spec=SMALL)
    with database.session() as db:
        _copy(db, first, 600, status="succeeded")
        db.execute(text("UPDATE jobs SET status = 'succeeded', finished_at = created_at"))
    _count_rows(database, "VACUUM ANALYZE")
    with database.session() as db:
        _copy(db, first, 2_000)
        db.execute(text("UPDATE jobs SET finished_at = NULL WHERE status = 'queued'"))
    with _explained(database, "EXPLAIN") as plans, database.session() as db:
        assert standing.look(db, "local", "job_queued_2000", count_up_to=500)
        assert claims.claim_next(db, "w", claim_id="next", lease_seconds=60)
        first_page = jobs.page(db, "local", limit=20, status="queued")
        assert jobs.page(db, "local", limit=20, status="queued", after=first_page.next).items
    database.close()
    of_the_queue = [plan for _, plan in plans if "ix_jobs_queued on" in plan]
    assert len(of_the_queue) == 2
    # The few events of one job may be sorted, jobs may not.
    assert not re.search(r"Sort Key: (?!events).*(priority|id DESC)", "\n".join(plan for _, plan in plans))
    pages = [plan for statement, plan in plans if "ORDER BY jobs.status DESC" in statement]
    assert ["ix_jobs_owner_status_id" in plan for plan in pages] == [True, True]
