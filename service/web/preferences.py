"""`Prefer: wait` (RFC 7240): an answer that comes as soon as something is done, or after so many seconds."""

import re
import threading
import time
from collections.abc import Callable

from flask import request

MAX_WAIT_SECONDS = 30
LOOK_SECONDS = 0.1
MAX_WAITING = 2  # a request that waits holds one of the process's threads

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,6})\s*(?:$|[,;])", re.IGNORECASE)
_places = threading.BoundedSemaphore(MAX_WAITING)


def wait_for(is_done: Callable[[], bool]) -> dict[str, str]:
    """Waits as long as the request asks, `is_done` says no and few others wait; the header that says so."""
    asked = _WAIT.search(request.headers.get("Prefer", ""))
    if asked is None or not _places.acquire(blocking=False):
        return {}
    try:
        seconds = min(int(asked[1]), MAX_WAIT_SECONDS)
        deadline = time.monotonic() + seconds
        while not is_done() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
    finally:
        _places.release()
    return {"Preference-Applied": f"wait={seconds}"}
