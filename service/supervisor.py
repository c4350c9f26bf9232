"""Keeps the parts of a running service alive: starts them, restarts what dies, stops all. Knows no part."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.processes import die_with_parent

STEADY_SECONDS = 2.0  # a part that lives so long has started well
QUICK_DEATHS = 5  # so many in a row end everything: restarting does not help
STOP_SECONDS = 2.2


class PartFailed(Exception):
    """A part dies again and again right after its start."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process to be kept alive."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    outlives_others: bool = False  # stopped last: the others need it until they end


@dataclass(slots=True)
class _Running:
    part: Part
    process: "subprocess.Popen[bytes]"
    started_at: float
    quick_deaths: int = 0
    restart_at: float | None = None


class Supervisor:
    """The parts of one service, in the order of their start; for the main thread, inside `listening()`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._running: list[_Running] = []
        self._signals = -1

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears SIGINT, SIGTERM and the deaths of children; stops every part at the end, whatever happens."""
        self._signals, writer = os.pipe()
        os.set_blocking(writer, False)
        heard = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
        before = {number: signal.signal(number, lambda *_: None) for number in heard}
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        try:
            yield
        finally:
            self.stop()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._signals)
            os.close(writer)

    def start(self, part: Part) -> None:
        """Starts a part."""
        self._running.append(_Running(part, _spawn(part), time.monotonic()))

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Watches the parts until the condition holds; False if a signal came first. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service was not ready within {seconds:g} s")
            if self._turn(0.02):
                return False
        return True

    def watch(self) -> None:
        """Keeps every part alive until SIGINT or SIGTERM. Raises PartFailed."""
        while not self._turn(0.1 if any(each.restart_at for each in self._running) else 1.0):
            pass

    def stop(self) -> None:
        """Stops all parts within three seconds: politely first, then for certain."""
        deadline = time.monotonic() + STOP_SECONDS
        for last in (False, True):
            chosen = [each for each in self._running if each.part.outlives_others is last]
            for each in chosen:
                _signal(each.process, signal.SIGTERM)
            for each in chosen:
                _end(each.process, max(deadline - time.monotonic(), 0.3))
        self._running.clear()

    def _turn(self, seconds: float) -> bool:
        """Waits for a signal, mends what is broken; True when told to stop."""
        ready, _, _ = select.select([self._signals], [], [], seconds)
        numbers = os.read(self._signals, 4096) if ready else b""
        if signal.SIGINT in numbers or signal.SIGTERM in numbers:
            return True
        for each in self._running:
            self._mend(each)
        return False

    def _mend(self, each: _Running) -> None:
        now = time.monotonic()
        if each.restart_at is not None:
            if now >= each.restart_at:
                each.process, each.started_at, each.restart_at = _spawn(each.part), now, None
        elif each.process.poll() is not None:
            steady = now - each.started_at > STEADY_SECONDS
            each.quick_deaths = 0 if steady else each.quick_deaths + 1
            if each.quick_deaths >= QUICK_DEATHS:
                raise PartFailed(f"the {each.part.name} does not stay alive: the lines above say why")
            self._say(f"the {each.part.name} {_death(each.process.returncode)}, starting it again")
            each.restart_at = now + 0.1 * 2**each.quick_deaths - 0.1


def _spawn(part: Part) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    return subprocess.Popen(  # noqa: S603 - our own command
        list(part.command),
        env={**os.environ, **part.environment},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # what the supervisor itself prints stays readable by programs
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops the parts in order
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 - this process has one thread
    )


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _death(returncode: int) -> str:
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"
