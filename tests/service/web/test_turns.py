"""Whose turn it is, and who is let through."""

import threading
import time
from collections.abc import Callable

import pytest

from service.web import turns as turning
from service.web.turns import Turns
from tests.servers import eventually


def wait_until(condition: Callable[[], bool]) -> None:
    eventually(condition, what="the threads come so far")


@pytest.fixture
def nobody_overtakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "TURN_SECONDS", 60)


def served_after(turns: Turns, kinds: list[str]) -> list[int]:
    """In which order requests of these kinds are served that come while another has the turn."""
    served = list[int]()

    def ask(number: int, kind: str) -> None:
        turns.enter(kind)
        served.append(number)
        turns.leave()

    turns.enter("holder")
    threads = list[threading.Thread]()
    for each in enumerate(kinds):
        threads.append(threading.Thread(target=ask, args=each))
        threads[-1].start()
        wait_until(lambda: len(turns._waiting) == len(threads))
    assert served == []
    turns.leave()
    for thread in threads:
        thread.join()
    return served


@pytest.mark.usefixtures("nobody_overtakes")
def test_turns_come_in_the_order_of_asking() -> None:
    assert served_after(Turns(8), ["poll"] * 6) == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("nobody_overtakes")
def test_who_waits_for_something_else_hands_over_and_goes_on() -> None:
    turns, inside, end = Turns(2), list[int](), threading.Event()

    def ask(number: int) -> None:
        turns.enter()
        inside.append(number)
        turns.hand_over()
        turns.hand_over()  # it has nothing left to give
        end.wait(20)
        turns.leave()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(inside) == 2 and len(turns._waiting) == 1)  # as many as may be answered at once
    end.set()
    for thread in threads:
        thread.join()
    assert sorted(inside) == [0, 1, 2]


def test_who_takes_long_is_overtaken_and_goes_on_beside_the_others() -> None:
    turns, inside, end = Turns(3), list[int](), threading.Event()

    def ask(number: int) -> None:
        turns.enter()
        inside.append(number)
        end.wait(20)
        turns.leave()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(inside) == 3)
    time.sleep(4 * turning.TURN_SECONDS)
    assert len(inside) == 3  # as many as may be answered at once
    end.set()
    for thread in threads:
        thread.join()
    assert sorted(inside) == [0, 1, 2, 3, 4]
    turns.enter()  # at once: nothing was lost
    turns.leave()


def test_no_turn_is_lost_among_many_threads() -> None:
    turns, served = Turns(4), list[int]()

    def ask() -> None:
        for number in range(500):
            turns.enter()
            served.append(number)
            if number % 100 == 0:
                time.sleep(2 * turning.TURN_SECONDS)  # overtaken
            turns.leave()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(served) == 4_000
    assert (turns._running, turns._holder, len(turns._waiting)) == (0, None, 0)


def need(turns: Turns, kind: str, seconds: float) -> None:
    """A request of the kind that keeps the processor busy for so long."""
    turns.enter(kind)
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    turns.leave()


@pytest.mark.usefixtures("nobody_overtakes")
def test_a_request_of_a_quick_kind_passes_those_of_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "MOST_SLACK_SECONDS", 3600.0)
    monkeypatch.setattr(turning, "SLACK", 1e5)  # so that no wait of this test counts
    turns = Turns(8)
    for kind, seconds in (("upload", 0.02), ("poll", 0.0001)):
        need(turns, kind, seconds)
    assert served_after(turns, ["upload", "upload", "poll", "new"]) == [3, 2, 0, 1]


@pytest.mark.usefixtures("nobody_overtakes")
def test_a_slow_request_lets_no_more_through_than_its_slack_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turning, "MOST_SLACK_SECONDS", 0.0)
    turns = Turns(8)
    need(turns, "upload", 0.02)
    assert served_after(turns, ["upload", "poll", "upload", "poll"]) == [0, 1, 2, 3]


def test_what_a_kind_needs_follows_its_newest_requests() -> None:
    turns = Turns(8)
    need(turns, "upload", 0.02)
    assert turns._needs["upload"] >= 0.02
    for _ in range(40):
        need(turns, "upload", 0.0)
    assert turns._needs["upload"] < 0.005


def test_to_wait_for_something_else_is_not_to_need_the_processor() -> None:
    turns = Turns(8)
    turns.enter("poll")
    time.sleep(0.05)
    turns.leave()
    assert turns._needs["poll"] < 0.02
