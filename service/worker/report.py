"""Tells every few seconds what a training process is doing: for the status page and the metrics."""

import os
import threading
import time
from typing import Any

from service.presence import Presence
from service.worker.bench import Bench

REPORT_SECONDS = 2.0


class Reporter(threading.Thread):
    """Reports beside the training; the thread ends with its process. Training never waits for it."""

    def __init__(self, bench: Bench, presence: Presence) -> None:
        super().__init__(name="reporter", daemon=True)
        self._bench, self._presence = bench, presence
        self._told_steps, self._told_seconds = 0, 0.0
        self._began_at = time.time()

    def run(self) -> None:
        """Reports for ever."""
        while True:
            self.report()
            time.sleep(REPORT_SECONDS)

    def report(self) -> None:
        """One report; what the broker has not heard is told with the next."""
        tally = self._bench.tally
        steps, seconds = tally.steps, tally.seconds
        name, new_steps, new_seconds = (
            self._bench.name,
            steps - self._told_steps,
            seconds - self._told_seconds,
        )
        if self._presence.report(name, self._facts(), steps=new_steps, seconds=new_seconds):
            self._told_steps, self._told_seconds = steps, seconds

    def _facts(self) -> dict[str, Any]:
        tables = self._bench.tables
        return {
            "pid": os.getpid(),
            "started_at": self._began_at,
            "busy": self._bench.heart.busy,
            "steps": self._bench.tally.steps,
            "tables": len(tables),
            "table_bytes": tables.size,
        }
