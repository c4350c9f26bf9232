"""Any part may die at any time, the database too, while jobs are ordered: each ends, once, and alike.

CHAOS_SEED repeats the strikes of a run, CHAOS_SECONDS says how long the long ones last.
"""

import os
import random
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.tables import events
from service.tables.base import Database
from service.tables.jobs import Job
from service.tables.models import Model
from service.tables.schema import upgrade
from tests.servers import PostgresServer, ValkeyServer, eventually, free_port
from tests.system.chaos import ACCEPTED_SECONDS, LEASE_SECONDS, LONG, SMALL, Chaos, Client
from tests.system.conftest import Start
from tests.system.outcomes import succeeds
from tests.training import Workshop

pytestmark = pytest.mark.system

# A job has many faults here, none of them its own; and progress comes often enough to be interrupted.
OFTEN = {
    "max_tries": 50,
    "lease_seconds": LEASE_SECONDS,
    "progress_seconds": 0.1,
    "chunk_seconds": 0.05,
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "seconds", [15.0, pytest.param(float(os.environ.get("CHAOS_SECONDS", "120")), marks=pytest.mark.slow)]
)
def test_chaos_loses_doubles_and_changes_nothing_on_postgresql(
    start: Start,
    settings: Settings,
    fragile_postgres: PostgresServer,
    fragile_valkey: ValkeyServer,
    seconds: float,
) -> None:
    own = replace(settings, database_url=fragile_postgres.url("migrated"), broker_url=fragile_valkey.url)
    _hold_out(start, own, fragile_valkey, fragile_postgres, seconds)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_chaos_loses_doubles_and_changes_nothing_on_sqlite(
    start: Start, settings: Settings, fragile_valkey: ValkeyServer
) -> None:
    own = replace(settings, broker_url=fragile_valkey.url)
    _hold_out(start, own, fragile_valkey, None, float(os.environ.get("CHAOS_SECONDS", "120")))


def _hold_out(
    start: Start, own: Settings, valkey: ValkeyServer, postgres: PostgresServer | None, seconds: float
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"CHAOS_SEED={seed}")  # noqa: T201 - shown where the test fails
    database = Database(own.database)
    upgrade(database)
    port, changes = free_port(), {"database_url": own.database_url, "broker_url": own.broker_url}
    api, worker = partial(start, "api", port=port, **changes), partial(start, "worker", **changes, **OFTEN)
    chaos, client = Chaos(port, api, worker, valkey, postgres), Client(port)
    workshop = Workshop(own, database)
    chaos.begin()
    client.begin()
    wanted = {epochs: _undisturbed(workshop, client, epochs) for epochs in (SMALL, LONG)}
    with ThreadPoolExecutor(1) as pool:
        ordering = pool.submit(client.go_on)
        try:
            for _strike in chaos.reign(seconds, seed):
                chaos.supervise()
        finally:
            client.over.set()
            eventually(
                partial(_has_ended, chaos, ordering), seconds=ACCEPTED_SECONDS, what="the last is accepted"
            )
        ordering.result()  # it raises what the client has met
    database.engine.dispose()  # the test's own connections were cut
    _nothing_lost_doubled_or_different(workshop, client, wanted)
    chaos.supervise()
    print(f"{len(client.accepted)} jobs, {len(chaos.strikes)} strikes, answers {dict(client.answers)}")  # noqa: T201
    database.close()


def _has_ended(chaos: Chaos, ordering: Future[None]) -> bool:
    chaos.supervise()
    return ordering.done()


def _undisturbed(workshop: Workshop, client: Client, epochs: int) -> str:
    """The digest of the model that the service makes while nothing is done to it."""
    job = Job(id=client.order(epochs))
    eventually(lambda: workshop.job(job).done, seconds=60, what="an undisturbed job is done")
    return workshop.model(job).sha256


def _nothing_lost_doubled_or_different(workshop: Workshop, client: Client, wanted: dict[int, str]) -> None:
    for job_id, epochs in client.accepted.items():
        succeeds(workshop, Job(id=job_id), wanted[epochs], epochs=epochs)
    with workshop.database.reading() as db:
        assert set(db.scalars(select(Job.id))) == set(
            client.accepted
        )  # a key makes one job, however often sent
        assert db.scalar(select(func.count()).select_from(Model)) == len(client.accepted)
        for job_id in client.accepted:
            ends = [move.status for move in events.moves(db, job_id) if move.status == "succeeded"]
            assert ends == ["succeeded"], job_id
