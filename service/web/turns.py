"""Bounds how many requests a process answers at once, and says who is next. Knows no resource.

Threads that want the interpreter are served in no order, and some starve among eight; so requests queue for
turns before they run. One that takes long goes on beside the others: nobody waits for the end of a slow one.
Nor do quick ones wait for a crowd of slow ones: who needs little is let through.
"""

import threading
import time
from heapq import heappop, heappush
from itertools import count

TURN_SECONDS = 0.005  # a prediction takes 0.2 ms
SLACK = 50.0  # for so many times what it needs, a request lets those through who need less;
MOST_SLACK_SECONDS = 0.5  # but not for longer
WEIGHT = 0.1  # of the newest request in the mean of its kind


class Turns:
    """One request at a time; beside it those that took longer: `most` in all.

    A request is due when it comes, and later by `SLACK` times the processor's seconds that those of its kind
    need: who is due first is next. So nobody waits for ever, and those of one kind keep their order.
    """

    def __init__(self, most: int) -> None:
        self._most, self._running = most, 0
        self._holder: int | None = None  # the thread whose turn it is
        self._since = 0.0
        self._numbers = count()
        # A heap: when each is due, the order of asking, the thread, and what it waits at.
        self._waiting: list[tuple[float, int, int, threading.Lock]] = []
        self._needs: dict[str | None, float] = {}  # seconds, by kind
        self._begun = threading.local()
        self._somebody_waits = threading.Event()
        self._watch: threading.Thread | None = None
        self._lock = threading.Lock()

    def enter(self, kind: str | None = None) -> None:
        """Waits for this thread's turn, or until whose turn it is takes too long.

        `kind`: what is alike needs alike; there are to be few kinds.
        """
        self._await_turn(threading.get_ident(), kind)
        self._begun.kind, self._begun.at = kind, time.thread_time()

    def leave(self) -> None:
        """Gives the turn to who is due, unless it was taken already."""
        needed, kind = time.thread_time() - self._begun.at, self._begun.kind
        with self._lock:
            known = self._needs.get(kind, needed)
            self._needs[kind] = known + WEIGHT * (needed - known)
            self._running -= 1
            if self._holder in {None, threading.get_ident()}:
                self._pass_on()

    def hand_over(self) -> None:
        """Gives the turn away before a wait for something else; this thread goes on beside the others."""
        with self._lock:
            if self._holder == threading.get_ident() and self._running < self._most:
                self._pass_on()

    def _await_turn(self, thread: int, kind: str | None) -> None:
        with self._lock:
            if self._holder is None and self._running < self._most:
                self._take(thread)
                return
            gate = threading.Lock()
            gate.acquire()
            due = time.monotonic() + min(SLACK * self._needs.get(kind, 0.0), MOST_SLACK_SECONDS)
            heappush(self._waiting, (due, next(self._numbers), thread, gate))
            self._somebody_waits.set()
            if self._watch is None:
                self._watch = threading.Thread(target=self._let_overtake, name="turns", daemon=True)
                self._watch.start()
        gate.acquire()

    def _let_overtake(self) -> None:
        """Ends turns that take too long: one thread for all, for each that wakes to look holds up others."""
        while self._somebody_waits.wait():
            time.sleep(TURN_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._somebody_waits.clear()
                elif self._running < self._most and time.monotonic() - self._since > TURN_SECONDS:
                    self._pass_on()

    def _pass_on(self) -> None:
        self._holder = None
        if self._waiting:
            _, _, thread, gate = heappop(self._waiting)
            self._take(thread)
            gate.release()

    def _take(self, thread: int) -> None:
        self._running += 1
        self._holder, self._since = thread, time.monotonic()
