"""Delivers webhooks: one signed POST at a time, to addresses that may be reached, and not for long.

The host's name is looked up once, every address it has is checked, and the connection goes to a checked
address: a name that changes its mind in between reaches nothing. Redirects are not followed.
"""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from service.settings import Settings
from service.tables import deliveries
from service.tables.base import Database
from service.tables.deliveries import Claimed
from service.telemetry import get_logger

ANSWER_BYTES = 4096  # more of an answer is not read
SHOWN_BYTES = 200
BACK_OFF = 5  # each pause is so many times the last one
MAX_PAUSE_SECONDS = 6 * 3600.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address

_log = get_logger(__name__)


class Refused(Exception):
    """The address may not be reached from here."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver answered: its status, and the begin of its answer."""

    status: int
    answer: str


def deliver_due(database: Database, settings: Settings) -> bool:
    """Tries the delivery that is due longest; False when none is due."""
    lease = 2 * settings.webhook_seconds + 5
    claimed = database.persist(partial(deliveries.claim_due, lease_seconds=lease), budget_seconds=5)
    if claimed is None:
        return False
    started = time.time()
    entry: dict[str, Any] = {"attempt": claimed.attempt, "at": started}
    try:
        told = post(claimed, seconds=settings.webhook_seconds, private=settings.webhook_private)
        arrived = 200 <= told.status < 300
        entry |= {"status": told.status, "answer": told.answer}
    except Refused as error:
        arrived, entry = False, {**entry, "error": str(error)}
    except (OSError, http.client.HTTPException, ValueError) as error:
        arrived, entry = False, {**entry, "error": f"{type(error).__name__}: {error}"[:SHOWN_BYTES]}
    entry["seconds"] = round(time.time() - started, 3)
    pause = None if arrived or claimed.attempt >= settings.webhook_attempts else _pause(settings, claimed)
    write = partial(deliveries.record, claimed=claimed, entry=entry, arrived=arrived, retry_in_seconds=pause)
    database.persist(write, budget_seconds=5)
    _log.info("webhook", delivery=claimed.id, attempt=claimed.attempt, arrived=arrived)
    return True


def _pause(settings: Settings, claimed: Claimed) -> float:
    wanted = settings.webhook_pause_seconds * BACK_OFF ** (claimed.attempt - 1)
    return float(min(wanted, MAX_PAUSE_SECONDS))


def signature(delivery_id: str, moment: int, body: str, secret: str) -> str:
    """`v1,` and the base64 HMAC-SHA256 of id, time and body, as standardwebhooks.com describes it."""
    signed = f"{delivery_id}.{moment}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def post(claimed: Claimed, *, seconds: float, private: bool) -> Told:
    """One attempt, ended after so many seconds whatever the receiver does. Raises Refused and OSError."""
    parts, moment = urlsplit(claimed.url), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gradhouse",
        "Webhook-Id": claimed.id,
        "Webhook-Timestamp": str(moment),
        "Webhook-Signature": signature(claimed.id, moment, claimed.body, claimed.secret),
    }
    address = checked_address(parts, private=private)
    connection = http.client.HTTPConnection(parts.hostname or "", address[1], timeout=seconds)
    connection.sock = wire = _wire(parts, address, seconds)
    # A receiver that sends a byte now and then would never meet the socket's own time-out. The socket is cut,
    # not the connection: that forgets its socket as soon as an answer has no known end.
    alarm = threading.Timer(seconds, partial(_cut, wire))
    alarm.start()
    try:
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, claimed.body.encode(), headers)
        answer = connection.getresponse()
        text = answer.read(ANSWER_BYTES).decode("utf-8", "replace")
        return Told(answer.status, text[:SHOWN_BYTES])
    finally:
        alarm.cancel()
        connection.close()


def checked_address(parts: SplitResult, *, private: bool) -> tuple[str, int]:
    """An address of the URL's host and the port. Raises Refused where any of them is private."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    inner = [each for each in addresses if not _is_public(each)]
    if inner and not private:
        raise Refused(f"{parts.hostname} is {inner[0]}, which is not a public address (webhook_private)")
    return addresses[0], port


def _is_public(address: str) -> bool:
    each = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(each, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(each) & 0xFFFFFFFF) if each in _NAT64 else None
        each = each.ipv4_mapped or each.sixtofour or translated or each  # where it leads in the end
    return each.is_global and not each.is_multicast


def _wire(parts: SplitResult, address: tuple[str, int], seconds: float) -> socket.socket:
    """A socket to the receiver; over TLS the handshake is still to come."""
    plain = socket.create_connection(address, seconds)
    if parts.scheme != "https":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _cut(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        _log.debug("the receiver was quicker")


class Courier(threading.Thread):
    """Delivers what is due, beside the sweeper, whose process never forks."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(name="courier", daemon=True)
        self._database, self._settings = database, settings

    def run(self) -> None:
        """Works until the process ends."""
        while True:
            try:
                while deliver_due(self._database, self._settings):
                    pass
            except Exception as error:  # noqa: BLE001 - the worker's edge: the delivery is due again later
                _log.warning("a delivery failed", error=f"{type(error).__name__}: {error}"[:300])
            time.sleep(self._settings.sweep_seconds)
