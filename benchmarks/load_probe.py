"""One more who polls during `./dev bench load`, in a process of its own that does nothing else.

Locust's times hold what its own thousands of answers wait for in its one thread; these hold the service's
alone. Polls a job of the file of accepted ids now and then, over a connection that it keeps, until SIGTERM;
prints the milliseconds of each poll.
"""

from __future__ import annotations

import http.client
import random
import signal
import sys
import time
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

EVERY_SECONDS = 0.05
NEWEST_BYTES = 6_400  # of the file, from its end: some 200 ids, as many as Locust's users choose from


def newest(accepted: Path) -> list[str]:
    """The last ids in the file, whole ones only."""
    with accepted.open("rb") as file:
        file.seek(max(0, accepted.stat().st_size - NEWEST_BYTES))
        return file.read().decode("ascii").split("\n")[1:-1]


def probe(address: str, accepted: Path, over: Event) -> list[float]:
    """Seconds of each poll."""
    parts, took = urlsplit(address), []
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    while not over.wait(random.uniform(0, 2 * EVERY_SECONDS)):  # in no step with anybody
        path = f"/api/v1/jobs/{random.choice(newest(accepted))}"
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"a poll was answered {answer.status}")
    connection.close()
    return took


def main(address: str, accepted: str, later: str) -> None:
    """Polls from so many seconds later until SIGTERM."""
    over = Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait(float(later))
    print(*(f"{1e3 * each:.2f}" for each in probe(address, Path(accepted), over)))


if __name__ == "__main__":
    main(*sys.argv[1:])
