"""How often progress is saved: soon, then in proportion to what it costs."""

import time
from dataclasses import replace

import pytest

from service.settings import Settings
from service.worker.pace import FULL_BYTES, LONGEST_SECONDS, SHARE, Pace


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def _pace(parameters: int = 100) -> Pace:
    return Pace(replace(Settings(), first_progress_seconds=0.1, progress_seconds=2.0), parameters)


def test_the_first_progress_comes_soon_and_the_next_in_their_time(now: list[float]) -> None:
    pace = _pace()
    assert [pace.is_due(now[0] + seconds, 0) for seconds in (0.05, 0.1)] == [False, True]
    pace.sent(checkpoint=True)
    pace.saved(0.001)
    assert [pace.is_due(now[0] + seconds, 0) for seconds in (1.9, 2.0)] == [False, True]


def test_what_takes_long_is_done_less_often_but_never_seldom(now: list[float]) -> None:
    pace = _pace()
    pace.saved(0.1)
    assert pace.is_due(now[0] + 2.0, 0)  # a first one is slow for reasons of its own
    pace.saved(0.1)
    assert [pace.is_due(now[0] + seconds, 0) for seconds in (0.09 / SHARE, 0.11 / SHARE)] == [False, True]
    pace.saved(60.0)
    assert pace.is_due(now[0] + LONGEST_SECONDS, 0)


def test_many_rows_are_saved_before_their_time(now: list[float]) -> None:
    pace = _pace()
    pace.sent(checkpoint=True)
    assert [pace.is_due(now[0], size) for size in (FULL_BYTES - 1, FULL_BYTES)] == [False, True]


def test_a_training_waits_for_what_it_sent_only_when_that_takes_long(now: list[float]) -> None:
    pace = _pace()
    now[0] += 60
    pace.sent(checkpoint=False)
    times = (LONGEST_SECONDS - 0.1, LONGEST_SECONDS)
    assert [pace.is_overdue(now[0] + seconds) for seconds in times] == [False, True]


def test_a_small_job_has_a_checkpoint_with_its_first_rows_and_a_large_one_later(now: list[float]) -> None:
    small, large = _pace(1_000), _pace(1_000_000)
    assert small.affords_checkpoint(now[0] + 0.1)
    assert not large.affords_checkpoint(now[0] + 5)
    assert large.affords_checkpoint(now[0] + 30)
    now[0] += 30
    large.sent(checkpoint=True)
    assert not large.affords_checkpoint(now[0] + 20)
    large.sent(checkpoint=False)
    assert large.affords_checkpoint(now[0] + 30)
