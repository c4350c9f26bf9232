"""The worker process: Celery's main process, its pool of training children, and the sweeper beside them."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from engine.training.warm_up import warm_up
from service.broker import WorkerHooks, run_worker
from service.presence import Presence
from service.processes import die_with_parent, keep_for_good
from service.settings import Settings
from service.tables.base import Database
from service.tables.schema import require_current
from service.telemetry import get_logger
from service.telemetry.tracing import configure_tracing, require_tracing, trace_statements
from service.worker.bench import Bench, BusyBoard, SharedFlag
from service.worker.report import Reporter
from service.worker.work import work_until_none_waits

_log = get_logger(__name__)


class Worker:
    """What the main process and its children do when Celery calls."""

    def __init__(self, settings: Settings, scratch: str | None = None) -> None:
        self._settings = settings
        self._stopping, self._board = SharedFlag(), BusyBoard()
        self._bench: Bench | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None
        self._pid = os.getpid()
        self._scratch = scratch

    def hooks(self) -> WorkerHooks:
        """The calls that Celery makes."""
        return WorkerHooks(
            work=self.work,
            child_started=self.open_bench,
            ready=self.keep_sweeper,
            every_second=self.keep_sweeper,
            child_lost=self.wake_sweeper,
            stopping=self.begin_to_leave,
        )

    def open_bench(self) -> None:
        """In a child, before its first job."""
        die_with_parent(self._pid)
        os.nice(self._settings.niceness)  # on a machine that also answers requests these come first
        configure_tracing(self._settings, "worker")
        self._bench = Bench.open(self._settings, self._stopping)
        trace_statements(self._bench.database.engine)
        Reporter(self._bench, Presence(self._settings)).start()
        warm_up()
        keep_for_good()

    def work(self) -> None:
        """In a child, for every message."""
        # Busy first, then the look at the flag: who sees the board empty after it was raised may go.
        if self._bench is not None:
            with self._board.at_work():
                work_until_none_waits(self._bench)

    def keep_sweeper(self) -> None:
        """Starts the sweeper, and again whenever it has died."""
        if self._stopping.is_set() or (self._sweeper is not None and self._sweeper.poll() is None):
            return
        if self._sweeper is not None:
            _log.warning("the sweeper died, starting another", exit_code=self._sweeper.returncode)
        command = [sys.executable, "-m", "service.cli", "sweeper", "--beside", str(self._pid)]
        self._sweeper = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - our own command

    def wake_sweeper(self) -> None:
        """A child was killed: its job need not wait for the end of its lease."""
        if self._sweeper is not None and self._sweeper.stdin is not None:
            try:
                self._sweeper.stdin.write(b"\n")
                self._sweeper.stdin.flush()
            except OSError:
                _log.warning("the sweeper does not listen, the lease will do it")

    def begin_to_stop(self) -> None:
        """The children save and give back; the sweeper has nothing left to watch."""
        self._stopping.set()
        if self._sweeper is not None:
            self._sweeper.terminate()

    def begin_to_leave(self) -> None:
        """Begins to stop, and ends this process once that is done."""
        self.begin_to_stop()
        threading.Thread(target=self._leave, name="leave", daemon=True).start()

    def _leave(self) -> None:
        """Ends this process as soon as no child is at work: Celery's own farewell takes seconds.

        The children die with it. What was not acknowledged comes again, as a hint more.
        """
        while self._board.anyone():
            time.sleep(0.01)
        self.stop_sweeper()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(0)

    def stop_sweeper(self) -> None:
        """Leaves no sweeper behind."""
        if self._sweeper is None:
            return
        self._sweeper.terminate()
        try:
            self._sweeper.wait(1)
        except subprocess.TimeoutExpired:
            self._sweeper.kill()


def run(settings: Settings) -> int:
    """Works until a signal ends it. Raises OutdatedSchema on a database of another version."""
    require_tracing(settings)
    database = Database(settings.database, pool_size=1)
    require_current(database, patience_seconds=settings.database_start_seconds)
    database.close()  # before any fork: children open their own
    with tempfile.TemporaryDirectory(prefix="gradhouse-worker-", ignore_cleanup_errors=True) as scratch:
        tempfile.tempdir = scratch  # what the pool puts down must go even when this process leaves at once
        worker = Worker(settings, scratch)
        worker.keep_sweeper()
        keep_for_good()
        _log.info("worker started", concurrency=settings.concurrency)
        try:
            return run_worker(settings, worker.hooks())
        finally:
            worker.stop_sweeper()
