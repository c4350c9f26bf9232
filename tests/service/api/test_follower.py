"""One look for all who follow."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from service.api.follower import Follower, Listener, News
from tests.servers import eventually

LOG = ("ana", "job_1")
LONG = 30.0


def counting(calls: list[tuple[str, str, int]], last: int) -> Callable[[str, str, int], News]:
    """A log with a line for each number up to `last`, read one at a time; it is never over."""

    def look(whose: str, job: str, after: int) -> News:
        calls.append((whose, job, after))
        return (
            News(f"{job} {after + 1}", after + 1, over=False) if after < last else News("", after, over=False)
        )

    return look


def test_each_is_told_every_line_once_from_its_own_cursor_on() -> None:
    follower = Follower(counting([], last=4))
    with follower.listening(LOG, 0) as first, follower.listening(LOG, 2) as second:
        assert [told(first) for _ in range(4)] == ["job_1 1", "job_1 2", "job_1 3", "job_1 4"]
        assert [told(second) for _ in range(2)] == ["job_1 3", "job_1 4"]
        assert first.wait(0.5) is None


def told(listener: Listener) -> str:
    news = listener.wait(LONG)
    assert news is not None
    return news.text


def test_those_at_the_same_place_cost_one_look() -> None:
    follower = Follower(counting([], last=2))
    with follower.listening(LOG, 0) as first, follower.listening(LOG, 0) as second:
        eventually(lambda: not first.waiting and not second.waiting, what="both are told the first line")
        with follower._lock:  # so that no look comes between
            told(first)
            told(second)
        assert first.wait(LONG) is second.wait(LONG)  # the very same news


def test_nothing_is_read_for_a_client_that_does_not_take_what_it_was_told() -> None:
    calls: list[tuple[str, str, int]] = []
    follower = Follower(counting(calls, last=1_000))
    with follower.listening(LOG, 0), follower.listening(("ana", "job_2"), 0) as other:
        for _ in range(5):
            told(other)
    assert [after for _, job, after in calls if job == "job_1"] == [0]


def test_the_thread_ends_with_the_last_listener_and_another_begins_with_the_next() -> None:
    follower = Follower(counting([], last=1))
    for _ in range(2):
        with follower.listening(LOG, 0) as listener:
            assert told(listener) == "job_1 1"
            threads = [each for each in threading.enumerate() if each.name == "follower"]
            assert threads
        for each in threads:
            each.join(LONG)
            assert not each.is_alive()


def test_a_look_that_fails_sends_all_away_and_the_next_who_comes_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: SimpleQueue[threading.ExceptHookArgs] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failures.put)
    broken = threading.Event()

    def look(whose: str, job: str, after: int) -> News:
        if broken.is_set():
            raise RuntimeError("the look is broken")
        return News("fine", after + 1, over=True) if after == 7 else News("", after, over=False)

    follower = Follower(look)
    with follower.listening(LOG, 0) as first, follower.listening(LOG, 3) as second:
        broken.set()
        assert [each.wait(LONG) for each in (first, second)] == [
            News("", 0, over=True),
            News("", 3, over=True),
        ]
    assert isinstance(failures.get(timeout=LONG).exc_value, RuntimeError)  # not hidden
    broken.clear()
    with follower.listening(LOG, 7) as third:
        assert told(third) == "fine"
