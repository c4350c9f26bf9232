"""One look for all who follow a log: a thread that reads what is new once, and tells it to every open stream.

Knows neither HTTP nor tables: how a log is read and printed it is told.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

LOOK_SECONDS = 0.2  # between two looks


class News(NamedTuple):
    """What a look has found: its text, the cursor after it, and whether nothing will come any more."""

    text: str
    after: int
    over: bool


Log = tuple[str, str]  # whose, and of which job
Look = Callable[[str, str, int], News]


@dataclass(eq=False)
class Listener:
    """One stream: the log it follows, how far it has come, and what it was told and has not yet passed on."""

    log: Log
    after: int
    _told: SimpleQueue[News] = field(default_factory=SimpleQueue)

    def wait(self, seconds: float) -> News | None:
        """The next news; None when there was none for so long."""
        try:
            return self._told.get(timeout=seconds)
        except Empty:
            return None

    def tell(self, news: News) -> None:
        """Hands over what a look has found."""
        self.after = news.after
        self._told.put(news)

    @property
    def waiting(self) -> bool:
        """Whether all is passed on: nothing is read for a client that is slower than its log."""
        return self._told.empty()


class Follower:
    """Looks for the streams of one process; the thread lives as long as there is one."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._somebody_new = threading.Event()
        self._listeners: set[Listener] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def listening(self, log: Log, after: int) -> Iterator[Listener]:
        """While inside, the listener is told what comes after the cursor."""
        listener = Listener(log, after)
        with self._lock:
            self._listeners.add(listener)
            self._somebody_new.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
                self._thread.start()
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _run(self) -> None:
        try:
            while self._goes_on():
                for (log, after), listeners in self._groups().items():
                    news = self._look(*log, after)
                    if news.text or news.over:
                        for each in listeners:
                            each.tell(news)
                self._somebody_new.wait(LOOK_SECONDS)
        finally:
            self._end()

    def _goes_on(self) -> bool:
        """Whether anybody listens; else the thread is one no more, and the next listener starts another."""
        with self._lock:
            self._somebody_new.clear()
            if not self._listeners:
                self._thread = None
            return bool(self._listeners)

    def _groups(self) -> dict[tuple[Log, int], list[Listener]]:
        """Those who are to be told the same."""
        groups: dict[tuple[Log, int], list[Listener]] = {}
        with self._lock:
            for each in self._listeners:
                if each.waiting:
                    groups.setdefault((each.log, each.after), []).append(each)
        return groups

    def _end(self) -> None:
        """Sends all away whose news would not come: after a look that failed they come again."""
        with self._lock:
            if self._thread is threading.current_thread():
                self._thread = None
                for each in self._listeners:
                    each.tell(News("", each.after, over=True))
