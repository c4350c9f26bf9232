"""Sixty seconds of everything at once: nothing is lost, doubled or different."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.tables import events
from service.tables.jobs import IS_RUNNING, Job
from service.tables.models import Model
from tests.servers import Command, ValkeyServer
from tests.system.conftest import Start
from tests.system.outcomes import EPOCHS, succeeds
from tests.training import Workshop

pytestmark = [pytest.mark.system, pytest.mark.slow]

STORM_SECONDS = 60.0
SMALL_EPOCHS = 21


class Storm:
    """Strikes one part after the other, each so that it can come back."""

    def __init__(self, start: Callable[[], Command], valkey: ValkeyServer, workshop: Workshop) -> None:
        self._start, self._valkey, self._workshop = start, valkey, workshop
        self._workers = [start(), start()]
        self.strikes: list[str] = []

    def blow(self, seconds: float, seed: int) -> Iterator[None]:
        """Strikes at random; yields after each strike."""
        chance, end = random.Random(seed), time.monotonic() + seconds
        kinds = (self._kill_child, self._kill_worker, self._forget, self._cut, self._restart, self._freeze)
        while time.monotonic() < end:
            strike = chance.choice(kinds)
            strike()
            self.strikes.append(strike.__name__)
            yield
            threading.Event().wait(chance.uniform(0.2, 1.0))

    def _kill_child(self) -> None:
        with self._workshop.database.reading() as db:
            # One with progress: three deaths without any would be the job's own fault.
            worker = db.scalar(select(Job.worker).where(IS_RUNNING, Job.tries == 0).limit(1))
        if worker is not None:
            try:
                os.kill(int(worker.split(":")[-2]), signal.SIGKILL)
            except ProcessLookupError:
                return

    def _kill_worker(self) -> None:
        self._workers.pop(0).kill()
        self._workers.append(self._start())

    def _forget(self) -> None:
        self._valkey.client.flushall()

    def _cut(self) -> None:
        self._valkey.client.client_kill_filter(_type="normal", skipme=True)

    def _restart(self) -> None:
        self._valkey.kill()
        self._valkey.start()

    def _freeze(self) -> None:
        self._valkey.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(1.5)
        self._valkey.process.send_signal(signal.SIGCONT)


def test_sixty_seconds_of_everything_lose_double_and_change_nothing(
    start: Start, settings: Settings, workshop: Workshop, wanted: str, fragile_valkey: ValkeyServer
) -> None:
    changes = {"max_tries": 20, "progress_seconds": 0.2, "chunk_seconds": 0.05}

    def start_worker() -> Command:
        return start("worker", broker_url=fragile_valkey.url, **changes)

    storm = Storm(start_worker, fragile_valkey, workshop)
    long, small = [workshop.add(epochs=EPOCHS)], [workshop.add(epochs=SMALL_EPOCHS)]
    for number, _ in enumerate(storm.blow(STORM_SECONDS, seed=1337)):
        small.append(workshop.add(epochs=SMALL_EPOCHS))
        if number % 4 == 0:
            long.append(workshop.add(epochs=EPOCHS))
    for job in long:
        succeeds(workshop, job, wanted)
    first = workshop.model(small[0]).sha256
    for job in small:
        assert succeeds(workshop, job, first, epochs=SMALL_EPOCHS).model_id
    with workshop.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Model)) == len(long) + len(small)
        for job in (*long, *small):
            ends = [move.status for move in events.moves(db, job.id) if move.status == "succeeded"]
            assert ends == ["succeeded"], storm.strikes
