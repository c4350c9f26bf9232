"""Predictions beside many open Watch pages, but without browsers: `./dev bench glass --only crowd`.

Forty browsers want more than the two cores that a service may have here, and no service has its viewers'
browsers on its own cores. So real pages are opened once, what they ask is written down, the browser is
closed, and a light client asks the very same at the same pace while predictions are timed.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from playwright.sync_api import Page, Request

SETTLE_SECONDS = 25.0  # what came at once has found its pace, and each stream was opened anew
SSE = {"Accept": "text/event-stream"}
HUMBLEST = 19


@dataclass(frozen=True)
class Traffic:
    """What each of some pages asked for within `seconds`, as (moment, path), and the streams they held."""

    pages: tuple[tuple[tuple[float, str], ...], ...]
    streams: tuple[str, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return sum(map(len, self.pages)) / self.seconds


def record(pages: Sequence[Page], seconds: float) -> Traffic:
    """What the pages ask for in `seconds`, once they have found their pace, and the streams they hold."""
    asked: list[list[tuple[float, str]]] = [[] for _ in pages]
    streams: dict[Request, str] = {}
    started = time.perf_counter() + SETTLE_SECONDS

    def note(request: Request, page: int) -> None:
        path, moment = "/" + request.url.split("/", 3)[3], time.perf_counter() - started
        if path.endswith("/events"):
            streams[request] = path
        elif moment >= 0:
            asked[page].append((moment, path))

    def forget(request: Request) -> None:
        streams.pop(request, None)

    for number, page in enumerate(pages):
        page.on("request", partial(note, page=number))
        page.on("requestfinished", forget)
        page.on("requestfailed", forget)
    while (left := started + seconds - time.perf_counter()) > 0:
        pages[0].wait_for_timeout(1e3 * min(1.0, left))
    return Traffic(tuple(map(tuple, asked)), tuple(streams.values()), seconds)


@contextmanager
def replayed(traffic: Traffic, port: int) -> Iterator[None]:
    """While inside, a process of the lowest priority asks what was recorded, again and again."""
    replayer = multiprocessing.get_context("spawn").Process(target=_replay, args=(traffic, port), daemon=True)
    replayer.start()
    try:
        yield
        if not replayer.is_alive():
            raise RuntimeError("the replay of the pages' requests has ended early")
    finally:
        replayer.terminate()
        replayer.join()


def _replay(traffic: Traffic, port: int) -> None:
    os.nice(HUMBLEST)
    work = [threading.Thread(target=_follow, args=(path, port)) for path in traffic.streams]
    work += [threading.Thread(target=_ask, args=(page, traffic.seconds, port)) for page in traffic.pages]
    for each in work:
        each.start()
    for each in work:
        each.join()


def _ask(page: Sequence[tuple[float, str]], seconds: float, port: int) -> None:
    """One page's requests, each at its moment, over a connection that stays open."""
    connection, started = http.client.HTTPConnection("127.0.0.1", port), time.perf_counter()
    while page:
        for moment, path in page:
            time.sleep(max(0.0, started + moment - time.perf_counter()))
            connection.request("GET", path)
            connection.getresponse().read()
        started += seconds


def _follow(path: str, port: int) -> None:
    """One page's event stream, opened again when it has ended."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path, headers=SSE)
        answer = connection.getresponse()
        while answer.readline():
            pass
        connection.close()
        time.sleep(1.0)
