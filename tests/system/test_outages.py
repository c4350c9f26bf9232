"""Broker, disk, database and clocks out of order while requests come in: each is answered, each job ends."""

import http.client
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.tables.base import Database
from service.tables.jobs import Job
from service.tables.schema import upgrade
from tests.servers import PostgresServer, ValkeyServer, eventually, free_port
from tests.system.conftest import Start
from tests.system.load import Api, Serve, all_succeed, listens
from tests.system.outcomes import EPOCHS, children, has_begun, send, succeeds
from tests.training import LONG_JOB, SEED_JOB, Workshop

pytestmark = [pytest.mark.system, pytest.mark.slow]

ANSWER_SECONDS = 2.0


@pytest.fixture
def serve(start: Start) -> Serve:
    """Starts the API."""

    def start_api(**changes: object) -> Api:
        port = free_port()
        api = Api(port, start("api", port=port, **changes))
        eventually(lambda: listens(port), what="the API answers")
        return api

    return start_api


def _flush(valkey: ValkeyServer) -> None:
    for _ in range(5):
        valkey.client.flushall()
        threading.Event().wait(0.3)


def _restart(valkey: ValkeyServer) -> None:
    for _ in range(5):
        valkey.kill()
        threading.Event().wait(0.5)
        valkey.start()
        threading.Event().wait(0.5)


def _freeze(valkey: ValkeyServer) -> None:
    valkey.process.send_signal(signal.SIGSTOP)
    threading.Event().wait(12)
    valkey.process.send_signal(signal.SIGCONT)


def _cut(valkey: ValkeyServer) -> None:
    for _ in range(5):
        valkey.client.client_kill_filter(_type="normal", skipme=True)
        threading.Event().wait(0.3)


@pytest.mark.parametrize("strike", [_flush, _restart, _freeze, _cut])
def test_a_broker_out_of_order_delays_answers_little_and_loses_no_job(  # noqa: PLR0917 - fixtures
    start: Start,
    serve: Serve,
    workshop: Workshop,
    wanted: str,
    fragile_valkey: ValkeyServer,
    strike: Callable[[ValkeyServer], None],
) -> None:
    api = serve(broker_url=fragile_valkey.url)
    start("worker", broker_url=fragile_valkey.url)
    long = workshop.add(epochs=EPOCHS)
    with api.under_load(long.dataset_id):
        has_begun(workshop, long)
        strike(fragile_valkey)
    assert api.statuses == {http.HTTPStatus.ACCEPTED}
    assert api.slowest < ANSWER_SECONDS
    assert succeeds(workshop, long, wanted).attempt == 1
    all_succeed(workshop, api.accepted)


def test_an_api_killed_between_commit_and_message_loses_no_job(
    start: Start, serve: Serve, workshop: Workshop, fragile_valkey: ValkeyServer
) -> None:
    dataset_id = workshop.add(epochs=1).dataset_id

    def count() -> int:
        with workshop.database.reading() as db:
            return db.scalar(select(func.count()).select_from(Job)) or 0

    for _ in range(20):
        api, before = serve(broker_url=fragile_valkey.url), count()
        fragile_valkey.process.send_signal(signal.SIGSTOP)  # the API commits, and waits for the broker
        post = threading.Thread(target=_post_in_vain, args=(api, dataset_id))
        post.start()
        eventually(lambda before=before: count() > before)  # type: ignore[misc]  # no inference for defaults
        api.process.kill()
        post.join(10)
        fragile_valkey.process.send_signal(signal.SIGCONT)
    fragile_valkey.client.flushall()
    assert count() == 21
    start("worker", broker_url=fragile_valkey.url)
    with workshop.database.reading() as db:
        ids = list(db.scalars(select(Job.id)))
    all_succeed(workshop, ids)


def _post_in_vain(api: Api, dataset_id: str) -> None:
    try:
        api.post("/api/v1/jobs", {**SEED_JOB, "dataset_id": dataset_id})
    except (OSError, http.client.HTTPException):
        return  # the API died before it answered, which is the point


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_sqlite
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_stops_nothing_for_longer_than_it_lasts(
    start: Start, serve: Serve, settings: Settings, tmp_path: Path, wanted: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        own = replace(settings, database_url=f"sqlite:///{disk}/own.db", data_dir=disk / "data")
        database = Database(own.database)
        upgrade(database)
        workshop = Workshop(own, database)
        changes = {"database_url": own.database_url, "data_dir": own.data_dir}
        api, worker = serve(**changes), start("worker", **changes)
        job = workshop.add(epochs=EPOCHS)
        has_begun(workshop, job)
        with (disk / "filler").open("wb") as filler:
            _fill(filler.fileno())
            began = time.monotonic()
            refused = set()
            while time.monotonic() - began < 8:
                api.post("/api/v1/datasets", {"sample": "moons", "options": {"n_samples": 5000}})
                refused |= api.statuses
                threading.Event().wait(0.2)
        (disk / "filler").unlink()
        assert refused & {503, 507}
        assert refused <= {201, 503, 507}
        succeeds(workshop, job, wanted)
        worker.stop()
        api.process.stop()
        database.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _fill(file: int) -> None:
    for size in (2**20, 2**12):
        try:
            while True:
                os.write(file, b"\0" * size)
        except OSError:
            continue


@on_sqlite
def test_a_database_locked_by_others_delays_and_loses_nothing(
    start: Start, serve: Serve, sqlite_url: str, settings: Settings, wanted: str
) -> None:
    own = replace(settings, database_url=sqlite_url)
    database = Database(own.database)
    workshop = Workshop(own, database)
    api = serve(database_url=sqlite_url)
    start("worker", database_url=sqlite_url, lease_seconds=5)
    job = workshop.add(epochs=EPOCHS)
    send(own, job.id)
    with (
        closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as storm,
        api.under_load(job.dataset_id),
    ):
        for _ in range(6):
            storm.execute("BEGIN IMMEDIATE")
            threading.Event().wait(1.5)
            storm.execute("COMMIT")
            threading.Event().wait(0.1)
    assert api.statuses == {http.HTTPStatus.ACCEPTED}
    assert succeeds(workshop, job, wanted).attempt == 1
    all_succeed(workshop, api.accepted)
    database.close()


def test_workers_restarted_in_turn_under_load_repeat_nothing(
    start: Start, serve: Serve, workshop: Workshop, wanted: str, settings: Settings
) -> None:
    api, workers = serve(), [start("worker") for _ in range(2)]
    long = workshop.add(epochs=EPOCHS)
    send(settings, long.id)
    with api.under_load(long.dataset_id):
        for _ in range(5):
            workers.append(start("worker"))
            # A process that has not got so far yet dies of the signal, and holds nothing.
            pids = partial(children, workers[0].process.pid, sweeper=False)
            eventually(lambda pids=pids: len(pids()) >= settings.concurrency)  # type: ignore[misc]  # no inference for defaults
            assert workers.pop(0).stop(seconds=6) == 0
    assert succeeds(workshop, long, wanted).attempt == 1
    all_succeed(workshop, api.accepted)
    with workshop.database.reading() as db:
        assert set(db.scalars(select(Job.attempt))) == {1}
    assert api.statuses == {http.HTTPStatus.ACCEPTED}


@on_postgresql
def test_a_postgresql_killed_five_times_is_answered_with_503_and_costs_no_job(
    start: Start, serve: Serve, settings: Settings, wanted: str, fragile_postgres: PostgresServer
) -> None:
    own = replace(settings, database_url=fragile_postgres.url("migrated"))
    database = Database(own.database)
    upgrade(database)
    workshop, changes = Workshop(own, database), {"database_url": own.database_url}
    api = serve(**changes)
    start("worker", **changes, lease_seconds=5, progress_seconds=0.2)
    long = [workshop.add(epochs=EPOCHS)]
    with api.under_load(long[0].dataset_id):
        for _ in range(5):
            has_begun(workshop, long[-1])
            api.statuses.clear()
            fragile_postgres.crash()
            eventually(lambda: 503 in api.statuses, what="a POST is answered 503")
            fragile_postgres.restart()
            eventually(lambda: 202 in api.statuses, what="a POST is accepted again")
            database.engine.dispose()  # of the test's own connections, which the crash has cut
            long.append(workshop.add(epochs=EPOCHS))
    assert api.statuses <= {202, 503}
    assert api.slowest < 2 * ANSWER_SECONDS
    for job in long:
        succeeds(workshop, job, wanted)
    all_succeed(workshop, api.accepted)
    database.close()


SKEW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_REALTIME && getenv("SKEW")) now->tv_sec += atol(getenv("SKEW"));
    return result;
}
"""


@on_postgresql
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for a clock that is wrong")
def test_hosts_whose_clocks_are_two_hours_apart_steal_no_job(  # noqa: PLR0917 - fixtures
    start: Start,
    settings: Settings,
    postgres_url: str,
    tmp_path: Path,
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, library = tmp_path / "skew.c", tmp_path / "skew.so"
    source.write_text(SKEW)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    own = replace(settings, database_url=postgres_url)
    database = Database(own.database)
    workshop = Workshop(own, database)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    for skew in ("3600", "-3600"):
        monkeypatch.setenv("SKEW", skew)
        start("worker", database_url=postgres_url, lease_seconds=2, concurrency=1)
    long = workshop.add(LONG_JOB, epochs=20_000)
    jobs = [workshop.add(epochs=EPOCHS) for _ in range(3)]
    send(own, long.id, *(job.id for job in jobs))
    for job in jobs:
        assert succeeds(workshop, job, wanted).attempt == 1
    eventually(lambda: workshop.job(long).done, seconds=60)
    assert (workshop.status(long), workshop.job(long).attempt) == ("succeeded", 1)
    database.close()
