"""Processes killed again and again: nothing is lost, doubled or different, and no healthy job is blamed."""

import os
import signal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from service.settings import Settings
from service.tables.datasets import Dataset
from service.tables.jobs import IS_RUNNING, Job
from tests.servers import Command, eventually
from tests.system.conftest import Start
from tests.system.outcomes import EPOCHS, children, holder, send, succeeds
from tests.training import Workshop

pytestmark = [pytest.mark.system, pytest.mark.slow]

KILLS = 50
QUICK: dict[str, Any] = {"chunk_seconds": 0.02, "first_progress_seconds": 0.02, "progress_seconds": 0.1}
# One child each, where whole workers die: a second one's job might be hit three times before any progress.
ALONE = {**QUICK, "concurrency": 1}


class Supply:
    """Jobs for as long as the killing goes on."""

    def __init__(self, workshop: Workshop, settings: Settings) -> None:
        self._workshop, self._settings = workshop, settings
        self.jobs: list[Job] = []
        self._struck: set[str] = set()

    def add(self) -> None:
        """One more job, announced as the API does it."""
        self.jobs.append(self._workshop.add(epochs=EPOCHS))
        send(self._settings, self.jobs[-1].id)

    def victim(self) -> tuple[int, int]:
        """Parent and process of a worker with progress since its claim; none is named twice."""
        worker = eventually(self._look, seconds=60, what="a job has a worker and progress")
        self._struck.add(worker)
        parent, process = worker.split(":")[-3:-1]
        return int(parent), int(process)

    def _look(self) -> str | None:
        if all(self._workshop.job(job).done for job in self.jobs[-2:]):
            self.add()
        with self._workshop.database.reading() as db:
            busy = db.scalars(select(Job.worker).where(IS_RUNNING, Job.tries == 0)).all()
        return next((str(worker) for worker in busy if worker not in self._struck), None)

    def all_succeed(self, wanted: str) -> None:
        """Every job is as if nothing had happened."""
        for job in self.jobs:
            succeeds(self._workshop, job, wanted)


@pytest.fixture
def supply(workshop: Workshop, settings: Settings) -> Supply:
    """Jobs without end."""
    made = Supply(workshop, settings)
    for _ in range(2):
        made.add()
    return made


def test_fifty_killed_children_cost_nothing(start: Start, supply: Supply, wanted: str) -> None:
    start("worker", **QUICK)
    for _ in range(KILLS):
        os.kill(supply.victim()[1], signal.SIGKILL)
    supply.all_succeed(wanted)


def test_fifty_killed_workers_cost_nothing(start: Start, supply: Supply, wanted: str) -> None:
    workers = {worker.process.pid: worker for worker in (start("worker", **ALONE) for _ in range(2))}
    for _ in range(KILLS):
        workers.pop(supply.victim()[0]).kill()
        started = start("worker", **ALONE)
        workers[started.process.pid] = started
    supply.all_succeed(wanted)


def test_children_whose_parent_alone_is_killed_die_with_it(start: Start, supply: Supply, wanted: str) -> None:
    for _ in range(5):
        worker = start("worker", **ALONE)
        supply.victim()
        left = [pid for sweeper in (True, False) for pid in children(worker.process.pid, sweeper=sweeper)]
        worker.process.kill()
        worker.process.wait(10)
        eventually(lambda left=left: not any(map(_lives, left)))  # type: ignore[misc]  # no inference for defaults
    start("worker")
    supply.all_succeed(wanted)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_fifty_killed_sweepers_cost_nothing(start: Start, workshop: Workshop, wanted: str) -> None:
    worker: Command = start("worker", **QUICK)
    sweepers = partial(children, worker.process.pid, sweeper=True)
    jobs = []
    for number in range(KILLS):
        if number % 5 == 0:
            jobs.append(workshop.add(epochs=EPOCHS))  # and no message: only a sweeper finds it
        struck = eventually(sweepers)[0]
        os.kill(struck, signal.SIGKILL)
        eventually(lambda struck=struck: struck not in sweepers())  # type: ignore[misc]  # no inference for defaults
    for job in jobs:
        assert succeeds(workshop, job, wanted).attempt == 1


def test_a_job_that_kills_its_worker_costs_those_taken_with_it_nothing(
    start: Start, workshop: Workshop, settings: Settings
) -> None:
    # What is trained is written at the end of a batch only: each death looks like any of the jobs' fault.
    start("worker", concurrency=1, lease_seconds=300, chunk_seconds=5, first_progress_seconds=5)
    poison = workshop.add(epochs=20_000)
    neighbours = [workshop.add() for _ in range(3)]
    with workshop.database.session() as db:
        # So small that it is taken with the others, if its spec is believed.
        tiny = update(Dataset).where(Dataset.id == poison.dataset_id).values(row_count=1)
        db.execute(tiny)
    send(settings, poison.id)
    for number in range(1, 4):
        eventually(lambda number=number: _runs_as_claim(workshop, poison, number))  # type: ignore[misc]  # no inference for defaults
        if number == 1:
            assert {workshop.status(job) for job in neighbours} == {"running"}, "they were taken together"
        os.kill(holder(workshop, poison), signal.SIGKILL)
    eventually(lambda: workshop.status(poison) == "failed")
    eventually(lambda: all(workshop.job(job).done for job in neighbours))
    assert {workshop.status(job) for job in neighbours} == {"succeeded"}


def _runs_as_claim(workshop: Workshop, job: Job, number: int) -> bool:
    row = workshop.job(job)
    return row.status == "running" and row.claim == number
