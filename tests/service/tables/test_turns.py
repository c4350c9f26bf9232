"""Turns: one at a time, in the order of coming."""

import threading
from functools import partial

import pytest

from service.tables.turns import TooLong, Turns
from tests.servers import eventually


def _waits(turns: Turns, number: int) -> bool:
    return len(turns._waiting) == number


def test_threads_come_in_the_order_in_which_they_asked() -> None:
    turns, came = Turns(), list[int]()

    def come(number: int) -> None:
        with turns.turn(10):
            came.append(number)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(20)]
    with turns.turn(1):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            eventually(partial(_waits, turns, number))
    for thread in threads:
        thread.join()
    assert came == list(range(20))


def test_a_turn_that_does_not_come_is_given_up_and_blocks_nobody() -> None:
    turns = Turns()
    with turns.turn(1), pytest.raises(TooLong, match=r"within 0\.01 s"), turns.turn(0.01):
        pass
    with turns.turn(0.01):
        pass


def test_a_turn_is_passed_on_after_an_error() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(1):
        raise ZeroDivisionError
    with turns.turn(0.01):
        pass
