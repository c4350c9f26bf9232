"""The sweeper's looks: at silent workers, at lost messages, at a worker gone deaf."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from service.broker import Broker
from service.processes import host
from service.settings import Settings
from service.tables import claims
from service.tables.base import Database
from service.worker.sweep import ENDING, Sweeper, Watchdog, end_once
from tests.servers import eventually
from tests.training import Workshop

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
print("there", flush=True)
time.sleep(600)
"""


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    opened = Broker(settings)
    yield opened
    opened.close()


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    return replace(settings, grace_seconds=0.05)


def _claim(database: Database, worker: str, *, lease: float = 60) -> None:
    with database.session() as db:
        assert claims.claim_next(db, worker, claim_id=uuid4().hex, lease_seconds=lease)


def _a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_dead_process_of_this_host_loses_its_job_at_once(
    settings: Settings, workshop: Workshop, broker: Broker
) -> None:
    job = workshop.add()
    _claim(workshop.database, f"{host()}:1:{_a_dead_process()}:ab12cd34")
    Sweeper(settings, workshop.database, broker).sweep()
    assert workshop.status(job) == "queued"
    assert broker.depth() == 1


def test_a_silent_worker_of_another_host_loses_its_job_with_its_lease(
    settings: Settings, workshop: Workshop, broker: Broker
) -> None:
    job = workshop.add()
    _claim(workshop.database, "elsewhere/0-1:1:1:ab12cd34", lease=0.3)
    sweeper = Sweeper(settings, workshop.database, broker)
    sweeper.sweep()
    assert workshop.status(job) == "running"

    def given_back() -> bool:
        sweeper.sweep()
        return workshop.status(job) == "queued"

    eventually(given_back)


def test_only_the_messages_that_lack_are_sent_again(
    impatient: Settings, workshop: Workshop, broker: Broker
) -> None:
    waiting = [workshop.add() for _ in range(3)]
    broker.send(waiting[0].id)
    sweepers = [Sweeper(impatient, workshop.database, broker) for _ in range(3)]

    def all_sent() -> bool:
        for sweeper in sweepers:
            sweeper.sweep()
        return broker.depth() == 3

    eventually(all_sent)
    for sweeper in sweepers:
        sweeper.sweep()
    assert broker.depth() == 3


def test_a_worker_that_hears_nothing_is_told_to_end_and_then_killed(
    settings: Settings, workshop: Workshop, broker: Broker
) -> None:
    deaf = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    watchdog = Watchdog(replace(settings, deaf_seconds=0.05), workshop.database, broker, deaf.pid)
    workshop.add()
    broker.send("job_1")

    def ended() -> bool:
        watchdog.look()
        return deaf.poll() is not None

    eventually(ended)
    assert deaf.stdout.read() == b"told\n"
    deaf.stdout.close()
    assert deaf.returncode == -signal.SIGKILL


def test_a_busy_worker_is_left_in_peace(settings: Settings, workshop: Workshop, broker: Broker) -> None:
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    one_child = replace(settings, deaf_seconds=0, concurrency=1)
    watchdog = Watchdog(one_child, workshop.database, broker, living.pid)
    workshop.add()
    _claim(workshop.database, f"{host()}:{living.pid}:{living.pid}:ab12cd34")
    broker.send("job_1")
    for _ in range(3):
        watchdog.look()
    assert living.poll() is None
    living.kill()
    living.wait()


def test_a_second_signal_does_not_disturb_the_end() -> None:
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        with pytest.raises(SystemExit):
            end_once()
        assert {signal.getsignal(number) for number in ENDING} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
