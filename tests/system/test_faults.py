"""Faults: whatever dies, freezes or forgets, every job ends once, with the bits of an undisturbed run."""

import os
import signal
import threading
from dataclasses import replace
from functools import partial

import pytest

from service.settings import Settings
from service.tables import wishes
from service.tables.base import Database
from service.tables.jobs import Job
from service.tables.schema import upgrade
from tests.servers import Command, PostgresServer, ValkeyServer, eventually
from tests.system.conftest import Start
from tests.system.outcomes import EPOCHS, children, has_begun, holder, send, succeeds
from tests.training import LONG_JOB, Workshop

pytestmark = pytest.mark.system


def test_a_killed_workers_job_goes_on_with_another(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    worker = start("worker")
    job = workshop.add(epochs=EPOCHS)
    send(settings, job.id)
    has_begun(workshop, job)
    worker.kill()
    start("worker")
    assert succeeds(workshop, job, wanted).attempt == 2


def test_a_killed_child_costs_no_lease(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    start("worker", lease_seconds=300)
    job = workshop.add(epochs=EPOCHS)
    send(settings, job.id)
    has_begun(workshop, job)
    os.kill(holder(workshop, job), signal.SIGKILL)
    assert succeeds(workshop, job, wanted).attempt == 2


def test_a_killed_sweeper_is_back_and_finds_what_was_never_sent(
    start: Start, workshop: Workshop, wanted: str
) -> None:
    worker = start("worker")
    sweepers = partial(children, worker.process.pid, sweeper=True)
    first = eventually(sweepers)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: sweepers() and sweepers() != first)
    succeeds(workshop, workshop.add(epochs=EPOCHS), wanted)


def test_a_broker_that_forgets_everything_loses_no_job(
    start: Start, workshop: Workshop, wanted: str, settings: Settings, valkey: ValkeyServer
) -> None:
    waiting = [workshop.add(epochs=EPOCHS) for _ in range(3)]
    send(settings, *(job.id for job in waiting))
    valkey.client.flushall()
    start("worker", lease_seconds=300)  # no lease that lapsed may help
    has_begun(workshop, waiting[0])
    valkey.client.flushall()
    for job in waiting:
        assert succeeds(workshop, job, wanted).attempt == 1


def test_a_broker_killed_and_back_empty_loses_no_job(
    start: Start, workshop: Workshop, wanted: str, settings: Settings, fragile_valkey: ValkeyServer
) -> None:
    start("worker", broker_url=fragile_valkey.url, lease_seconds=300)  # no lease that lapsed may help
    first, second = workshop.add(epochs=EPOCHS), workshop.add(epochs=EPOCHS)
    has_begun(workshop, first)
    fragile_valkey.kill()
    third = workshop.add(epochs=EPOCHS)
    fragile_valkey.start()
    for job in (first, second, third):
        assert succeeds(workshop, job, wanted).attempt == 1


@pytest.mark.slow
def test_a_message_delivered_eight_times_trains_once(
    start: Start, workshop: Workshop, wanted: str, settings: Settings, valkey: ValkeyServer
) -> None:
    start("worker")
    waiting = [workshop.add(epochs=EPOCHS) for _ in range(3)]
    send(settings, *(job.id for job in waiting for _ in range(8)))
    for job in waiting:
        assert succeeds(workshop, job, wanted).claim == 1


def test_a_worker_told_to_end_gives_its_job_back_within_five_seconds(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    worker = start("worker", lease_seconds=300)
    job = workshop.add(epochs=EPOCHS)
    send(settings, job.id)
    has_begun(workshop, job)
    assert worker.stop(seconds=5) == 0, worker.output
    given_back = workshop.job(job)
    assert (given_back.status, given_back.attempt) == ("queued", 1)
    assert given_back.epoch == len(workshop.rows(job))
    start("worker")
    assert succeeds(workshop, job, wanted).attempt == 1


@pytest.mark.slow
def test_a_frozen_workers_job_is_taken_over_and_the_thawed_one_writes_nothing(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    frozen = start("worker", concurrency=1)
    job = workshop.add(epochs=EPOCHS)
    send(settings, job.id)
    has_begun(workshop, job)
    os.killpg(frozen.process.pid, signal.SIGSTOP)
    start("worker")
    done = succeeds(workshop, job, wanted)
    os.killpg(frozen.process.pid, signal.SIGCONT)
    eventually(lambda: "lease lost" in frozen.output, what="the thawed worker has noticed")
    assert workshop.job(job).claim == done.claim
    succeeds(workshop, job, wanted)


@pytest.mark.slow
def test_a_job_that_kills_its_worker_fails_and_its_neighbour_does_not(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    # No progress is saved before five seconds are over: each death looks like the job's own fault.
    start("worker", first_progress_seconds=5, lease_seconds=300)
    poison = workshop.add(LONG_JOB)
    send(settings, poison.id)
    for number in range(1, 4):
        eventually(lambda number=number: _runs_as_claim(workshop, poison, number))  # type: ignore[misc]  # mypy infers no lambda with defaults
        os.kill(holder(workshop, poison), signal.SIGKILL)
    eventually(lambda: workshop.status(poison) == "failed")
    failed = workshop.job(poison)
    assert failed.error is not None
    assert (failed.claim, failed.error["code"]) == (3, "worker_lost")
    succeeds(workshop, workshop.add(epochs=EPOCHS), wanted)


def _runs_as_claim(workshop: Workshop, job: Job, number: int) -> bool:
    row = workshop.job(job)
    return row.status == "running" and row.claim == number


def test_a_cancel_comes_true_though_the_worker_is_dead(
    start: Start, workshop: Workshop, settings: Settings
) -> None:
    worker = start("worker")
    job = workshop.add(LONG_JOB)
    send(settings, job.id)
    has_begun(workshop, job)
    worker.kill()
    with workshop.database.session() as db:
        wishes.request_cancel(db, "local", job.id)
    start("sweeper")
    eventually(lambda: workshop.status(job) == "canceled", seconds=settings.lease_seconds + 5)


def test_a_chunk_longer_than_the_lease_is_not_stolen(
    start: Start, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    slow: list[Command] = [
        start("worker", lease_seconds=0.5, chunk_seconds=2, concurrency=1) for _ in range(2)
    ]
    job = workshop.add(epochs=EPOCHS)
    send(settings, job.id)
    done = succeeds(workshop, job, wanted)
    assert (done.claim, done.attempt) == (1, 1), [each.output for each in slow]


@pytest.mark.slow
def test_a_postgresql_killed_in_the_middle_costs_no_bit(
    start: Start, settings: Settings, wanted: str, fragile_postgres: PostgresServer
) -> None:
    own = replace(settings, database_url=fragile_postgres.url("migrated"))
    database = Database(own.database)
    upgrade(database)
    workshop = Workshop(own, database)
    job = workshop.add(epochs=EPOCHS)
    worker = start("worker", database_url=own.database_url, lease_seconds=5, progress_seconds=0.2)
    for epoch in (1, EPOCHS // 3):
        eventually(lambda epoch=epoch: workshop.job(job).epoch >= epoch)  # type: ignore[misc]  # no inference for defaults
        fragile_postgres.crash()
        fragile_postgres.restart()
        database.close()  # the test's own connections broke as well: who used one just now hears of it once
    succeeds(workshop, job, wanted)
    worker.stop()
    database.close()


@pytest.mark.slow
def test_a_broker_frozen_for_long_leaves_no_worker_deaf(
    start: Start, workshop: Workshop, wanted: str, settings: Settings, fragile_valkey: ValkeyServer
) -> None:
    own = replace(settings, broker_url=fragile_valkey.url)
    start("worker", broker_url=own.broker_url)
    before = [workshop.add(epochs=EPOCHS) for _ in range(4)]
    send(own, *(job.id for job in before))
    has_begun(workshop, before[0])
    fragile_valkey.process.send_signal(signal.SIGSTOP)
    # Until the acknowledgements of what is done meanwhile have failed.
    eventually(lambda: workshop.job(before[0]).done)
    threading.Event().wait(8)
    fragile_valkey.process.send_signal(signal.SIGCONT)
    after = [workshop.add(epochs=EPOCHS) for _ in range(4)]
    for job in (*before, *after):
        succeeds(workshop, job, wanted)
