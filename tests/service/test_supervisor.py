"""The supervisor: starts, restarts, and leaves nothing behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from service.supervisor import Part, PartFailed, Supervisor
from tests.servers import eventually

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(say=said.append)
    with made.listening():
        yield made


def _pids(supervisor: Supervisor) -> list[int]:
    return [each.process.pid for each in supervisor._running]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _soon(act: Callable[[], object]) -> None:
    threading.Timer(0.05, act).start()


def test_what_dies_is_started_again_with_one_line(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Part("sleeper", SLEEPER))
    (first,) = _pids(supervisor)
    os.kill(first, signal.SIGKILL)
    assert supervisor.wait_until(lambda: _pids(supervisor) != [first], seconds=10)
    assert said == ["the sleeper was killed by SIGKILL, starting it again"]


def test_a_part_that_never_stays_alive_ends_everything(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Part("broken", (sys.executable, "-c", "raise SystemExit(3)")))
    with pytest.raises(PartFailed, match="broken does not stay alive"):
        supervisor.watch()
    assert said[0] == "the broken ended with exit code 3, starting it again"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watch(supervisor: Supervisor, number: signal.Signals) -> None:
    supervisor.start(Part("sleeper", SLEEPER))
    _soon(lambda: os.kill(os.getpid(), number))
    supervisor.watch()


def test_everything_is_stopped_within_three_seconds_even_what_does_not_want_to(
    supervisor: Supervisor,
) -> None:
    supervisor.start(Part("broker", SLEEPER, outlives_others=True))
    supervisor.start(Part("stubborn", STUBBORN))
    pids = _pids(supervisor)
    eventually(lambda: all(_is_alive(pid) for pid in pids))
    started = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started < 3
    assert not any(_is_alive(pid) for pid in pids)


def test_waiting_ends_with_a_signal_or_in_time(supervisor: Supervisor) -> None:
    with pytest.raises(TimeoutError, match=r"not ready within 0\.05 s"):
        supervisor.wait_until(lambda: False, seconds=0.05)
    _soon(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert supervisor.wait_until(lambda: False, seconds=10) is False


def test_a_part_gets_its_variables_and_says_nothing_on_our_stdout(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import os; print(os.environ['GRADHOUSE_PORT'], flush=True); import time; time.sleep(600)"
    supervisor.start(Part("speaker", (sys.executable, "-c", code), {"GRADHOUSE_PORT": "1234"}))
    heard: list[str] = []

    def listen() -> bool:
        output = capfd.readouterr()
        assert output.out == ""
        heard.append(output.err)
        return "1234" in "".join(heard)

    assert supervisor.wait_until(listen, seconds=10)
