"""One signed POST to a webhook's receiver, at an address that may be reached, and not for long.

The host's name is looked up once, every address it has is checked, and the connection goes to a checked
address: a name that changes its mind in between reaches nothing. Redirects are not followed.
"""

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from service.addresses import is_public
from service.tables.deliveries import Claimed

ANSWER_BYTES = 4096  # more of an answer is not read
SHOWN_CHARACTERS = 200


class NotDelivered(Exception):
    """Nothing was answered, or nothing was sent; the text says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a receiver answered: its status, the begin of its answer, and where it leads, if elsewhere."""

    status: int
    answer: str
    leads_to: str | None


def signature(delivery_id: str, moment: int, body: str, secret: str) -> str:
    """`v1,` and the base64 HMAC-SHA256 of id, time and body, as standardwebhooks.com describes it."""
    signed = f"{delivery_id}.{moment}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def post(claimed: Claimed, *, seconds: float, private: bool) -> Told:
    """One attempt, ended after so many seconds whatever name servers and receiver do. Raises NotDelivered."""
    deadline = time.monotonic() + seconds
    try:
        told = _post(claimed, deadline, private=private)
    except NotDelivered:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The reason given after the deadline is that of the cut, and would put the blame on the receiver.
        raise NotDelivered(_late(seconds) if time.monotonic() >= deadline else _words(error)) from error
    if told is None:
        raise NotDelivered(_late(seconds))
    return told


def _post(claimed: Claimed, deadline: float, *, private: bool) -> Told | None:
    """The receiver's answer; None when its head had not come to an end at the deadline."""
    parts, moment = urlsplit(claimed.url), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gradhouse",
        "Webhook-Id": claimed.id,
        "Webhook-Timestamp": str(moment),
        "Webhook-Signature": signature(claimed.id, moment, claimed.body, claimed.secret),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _connection(parts, deadline, private=private) as connection:
        connection.request("POST", path, claimed.body.encode(), headers)
        answer = connection.getresponse()
        if time.monotonic() >= deadline:
            return None
        return Told(answer.status, _begin(answer), answer.getheader("Location"))


def _begin(answer: http.client.HTTPResponse) -> str:
    """The begin of an answer, as far as it came: the status has said already what matters."""
    found = b""
    try:
        found = answer.read(ANSWER_BYTES)
    except http.client.IncompleteRead as error:
        found = error.partial
    except (OSError, http.client.HTTPException, ValueError):
        pass
    return found.decode("utf-8", "replace")[:SHOWN_CHARACTERS]


@contextmanager
def _connection(
    parts: SplitResult, deadline: float, *, private: bool
) -> Iterator[http.client.HTTPConnection]:
    """A connection to a checked address, cut at the deadline."""
    address = _checked_address(parts, deadline, private=private)
    connection = http.client.HTTPConnection(parts.hostname or "", address[1])
    connection.sock = wire = _wire(parts, address, deadline)
    # A receiver that sends a byte now and then would never meet the socket's own time-out. The socket is cut,
    # not the connection: that forgets its socket as soon as an answer has no known end.
    alarm = threading.Timer(deadline - time.monotonic(), partial(_cut, wire))
    alarm.start()
    try:
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
        yield connection
    finally:
        alarm.cancel()
        connection.close()


def _checked_address(parts: SplitResult, deadline: float, *, private: bool) -> tuple[str, int]:
    """An address of the URL's host and the port. Raises NotDelivered where any of them is private."""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [str(entry[4][0]) for entry in _look_up(host, port, deadline - time.monotonic())]
    inner = [each for each in addresses if not is_public(each)]
    if inner and not private:
        raise NotDelivered(f"{host} is {inner[0]}, which is not a public address (webhook_private)")
    return addresses[0], port


def _look_up(host: str, port: int, seconds: float) -> list[Any]:
    """What the name servers say; they have no time-out of their own that could be set for one question."""
    found: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            found.set_exception(error)

    threading.Thread(target=ask, name="look up", daemon=True).start()
    return found.result(seconds)


def _wire(parts: SplitResult, address: tuple[str, int], deadline: float) -> socket.socket:
    """A socket to the receiver; over TLS the handshake is still to come."""
    plain = socket.create_connection(address, max(0.01, deadline - time.monotonic()))
    if parts.scheme != "https":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _cut(wire: socket.socket) -> None:
    with suppress(OSError):  # the receiver was quicker
        wire.shutdown(socket.SHUT_RDWR)


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} s (webhook_seconds)"


def _words(error: Exception) -> str:
    """What went wrong, without Python's words for it where there are better ones."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:SHOWN_CHARACTERS]
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return f"what came back is not HTTP: {type(error).__name__}: {error}"[:SHOWN_CHARACTERS]
    return f"{type(error).__name__}: {error}"[:SHOWN_CHARACTERS]
