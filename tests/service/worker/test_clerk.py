"""Errands: in order, beside the one who sends them, and heard of by their futures alone."""

import threading
from functools import partial

import pytest

from service.telemetry import bound_contextvars, current_request_id
from service.worker.clerk import Clerk


def test_errands_are_run_in_order_beside_their_sender() -> None:
    clerk, gate, done = Clerk(), threading.Event(), list[int]()

    def first_errand() -> None:
        gate.wait(20)
        done.append(1)

    first, second = clerk.send(first_errand), clerk.send(partial(done.append, 2))
    assert not first.done()
    assert done == []
    gate.set()
    second.result(20)
    assert done == [1, 2]


def test_what_an_errand_raises_is_raised_where_it_is_heard_of_and_ends_no_other() -> None:
    clerk = Clerk()
    bad = clerk.send(lambda: 1 // 0)
    assert clerk.send(lambda: 7).result(20) == 7
    with pytest.raises(ZeroDivisionError):
        bad.result(20)


def test_an_errand_knows_the_request_of_its_sender() -> None:
    with bound_contextvars(request_id="req_1"):
        errand = Clerk().send(current_request_id)
    assert errand.result(20) == "req_1"
