"""Delivers webhooks: claims what is due, posts some at once, and writes down how each attempt went."""

import threading
import time
from collections import Counter
from functools import partial
from typing import Any

from service.settings import Settings
from service.tables import deliveries
from service.tables.base import Database
from service.tables.deliveries import Claimed
from service.telemetry import get_logger
from service.worker.posting import SHOWN_CHARACTERS, NotDelivered, post

BACK_OFF = 5  # each pause is so many times the last one
MAX_PAUSE_SECONDS = 6 * 3600.0

_log = get_logger(__name__)


def deliver(database: Database, settings: Settings, claimed: Claimed) -> None:
    """One attempt, and its line in the delivery's log."""
    started = time.time()
    arrived, outcome = _attempt(settings, claimed)
    entry = {
        "attempt": claimed.attempt,
        "at": started,
        **outcome,
        "seconds": round(time.time() - started, 3),
    }
    pause = None if arrived or claimed.attempt >= settings.webhook_attempts else _pause(settings, claimed)
    write = partial(deliveries.record, claimed=claimed, entry=entry, arrived=arrived, retry_in_seconds=pause)
    database.persist(write, budget_seconds=5)
    _log.info("webhook", delivery=claimed.id, attempt=claimed.attempt, arrived=arrived)


def _attempt(settings: Settings, claimed: Claimed) -> tuple[bool, dict[str, Any]]:
    """Whether the notice has arrived, and what the log says of it."""
    if claimed.attempt > settings.webhook_attempts:  # whoever made the last one did not live to say so
        return False, {"error": f"given up after {claimed.attempt - 1} attempts (webhook_attempts)"}
    try:
        told = post(claimed, seconds=settings.webhook_seconds, private=settings.webhook_private)
    except NotDelivered as error:
        return False, {"error": str(error)}
    outcome: dict[str, Any] = {"status": told.status, "answer": told.answer}
    if 300 <= told.status < 400:
        outcome["error"] = f"it leads to {told.leads_to}: redirects are not followed"[:SHOWN_CHARACTERS]
    return 200 <= told.status < 300, outcome


def _pause(settings: Settings, claimed: Claimed) -> float:
    wanted = settings.webhook_pause_seconds * BACK_OFF ** (claimed.attempt - 1)
    return float(min(wanted, MAX_PAUSE_SECONDS))


class Courier(threading.Thread):
    """Delivers what is due, beside the sweeper, whose process never forks.

    Some notices are posted at once, of which one URL gets half at most, and one owner all but one: who does
    not answer holds nobody else's up.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(name="courier", daemon=True)
        self._database, self._settings = database, settings
        self._under_way: set[Claimed] = set()
        self._ended = threading.Event()

    def run(self) -> None:
        """Works until the process ends."""
        while True:
            self._ended.clear()
            if not self._send_next():
                self._ended.wait(self._settings.sweep_seconds)

    def _send_next(self) -> bool:
        """Starts what is due longest; False when nothing is, or nothing more may be under way."""
        try:
            claimed = self._claim()
        except Exception as error:  # noqa: BLE001 - the worker's edge: what is due stays due
            _log.warning("no delivery can be claimed", error=f"{type(error).__name__}: {error}"[:300])
            return False
        if claimed is None:
            return False
        self._under_way.add(claimed)
        threading.Thread(target=self._deliver, args=(claimed,), name="delivery", daemon=True).start()
        return True

    def _claim(self) -> Claimed | None:
        under_way, most = tuple(self._under_way), self._settings.webhooks_at_once
        if len(under_way) >= most:
            return None
        urls, owners = Counter(each.url for each in under_way), Counter(each.owner for each in under_way)
        claim = partial(
            deliveries.claim_due,
            lease_seconds=self._settings.webhook_seconds + 15,
            without_urls=[url for url, count in urls.items() if count >= most / 2],
            without_owners=[owner for owner, count in owners.items() if count >= most - 1],
        )
        return self._database.persist(claim, budget_seconds=5)

    def _deliver(self, claimed: Claimed) -> None:
        try:
            deliver(self._database, self._settings, claimed)
        except Exception as error:  # noqa: BLE001 - the worker's edge: the delivery is due again after its lease
            _log.warning("a delivery failed", error=f"{type(error).__name__}: {error}"[:300])
        finally:
            self._under_way.discard(claimed)
            self._ended.set()
