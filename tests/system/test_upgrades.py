"""Two versions side by side, and parts that are told to end: no job is lost or changes its arithmetic."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from engine.execution.arrays import ArrayExecutor
from service.settings import Settings
from service.tables import events
from service.tables.claims import DECLINED
from service.tables.jobs import Job
from tests.servers import Command, eventually, free_port
from tests.system.conftest import Start
from tests.system.load import listens
from tests.system.outcomes import EPOCHS, has_begun, send, succeeds
from tests.training import LONG_JOB, SEED_JOB, Workshop

pytestmark = pytest.mark.system


@pytest.fixture
def start_older(settings: Settings, tmp_path: Path) -> Iterator[Callable[[], Command]]:
    """Starts workers of an older version."""
    started: list[Command] = []

    def start_worker() -> Command:
        log = tmp_path / f"older-{len(started)}.log"
        module, environment = "tests.system.older_worker", settings.environment()
        started.append(Command("worker", environment=environment, log=log, module=module))
        return started[-1]

    yield start_worker
    for command in started:
        command.close()


def was_declined(workshop: Workshop, job: Job) -> bool:
    """Says whether a worker has given the job back for want of its numerics."""
    with workshop.database.reading() as db:
        return DECLINED in {move.reason for move in events.moves(db, job.id)}


def test_during_an_upgrade_a_job_goes_on_only_where_its_numerics_are(
    start: Start,
    start_older: Callable[[], Command],
    settings: Settings,
    workshop: Workshop,
    wanted: str,
) -> None:
    older = start_older()
    begun = workshop.add(SEED_JOB, epochs=EPOCHS)
    send(settings, begun.id)
    has_begun(workshop, begun)
    newer = start("worker")
    assert older.stop(seconds=10) == 0, older.output
    eventually(lambda: was_declined(workshop, begun), what="the newer worker leaves the job to the older")
    fresh = workshop.add(SEED_JOB, epochs=EPOCHS)
    send(settings, fresh.id)
    succeeds(workshop, fresh, wanted)  # the new version's own jobs are not held up
    assert workshop.job(fresh).numerics == ArrayExecutor.numerics
    assert workshop.status(begun) == "queued", newer.output
    start_older()
    assert succeeds(workshop, begun, wanted).numerics == "arrays-0"


def test_an_api_told_to_end_leaves_within_five_seconds_whoever_listens(
    start: Start, workshop: Workshop
) -> None:
    job, port = workshop.add(LONG_JOB), free_port()
    api = start("api", port=port)
    eventually(lambda: listens(port), what="the API answers")
    where = f"http://127.0.0.1:{port}/api/v1/jobs/{job.id}/events"
    with httpx.stream("GET", where, headers={"Accept": "text/event-stream"}, timeout=20) as stream:
        assert stream.status_code == 200
        next(stream.iter_lines())
        began = time.monotonic()
        assert api.stop(seconds=10) == 0, api.output
        assert time.monotonic() - began < 5
    assert workshop.status(job) == "queued"
