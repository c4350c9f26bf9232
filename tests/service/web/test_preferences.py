"""Requests that prefer to wait."""

import itertools
import time

import pytest
from flask import Flask

from service.web import preferences
from service.web.preferences import MAX_WAITING, wait_for


def waited(prefer: str, looks: int) -> dict[str, str]:
    """What is said of a wait for something that is done at the n-th look."""
    counter = itertools.count(1)
    with Flask(__name__).test_request_context(headers={"Prefer": prefer}):
        return wait_for(lambda: next(counter) >= looks)


@pytest.mark.parametrize("prefer", ["wait=20", "respond-async, wait=20", "WAIT = 20", "wait=20; x=y"])
def test_a_wait_ends_when_it_is_done(prefer: str) -> None:
    assert waited(prefer, looks=2) == {"Preference-Applied": "wait=20"}


def test_a_wait_ends_after_its_seconds() -> None:
    started = time.monotonic()
    assert waited("wait=1", looks=10**9) == {"Preference-Applied": "wait=1"}
    assert 1 <= time.monotonic() - started < 5


@pytest.mark.parametrize("prefer", ["", "wait=x", "swait=20", "wait=1.5", "wait"])
def test_nobody_waits_who_did_not_ask(prefer: str) -> None:
    assert waited(prefer, looks=10**9) == {}


def test_a_very_long_wait_is_cut() -> None:
    assert waited("wait=999999", looks=1) == {"Preference-Applied": "wait=30"}


def test_only_few_may_wait_at_once() -> None:
    for _ in range(MAX_WAITING):
        preferences._places.acquire()
    try:
        assert waited("wait=20", looks=10**9) == {}
    finally:
        preferences._places.release(MAX_WAITING)
