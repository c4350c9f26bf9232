"""Webhooks against real receivers: good ones, slow ones, loud ones, and some that lead astray."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import update

from service.settings import Settings
from service.tables import deliveries, queue, wishes
from service.tables.base import Database, database_now
from service.tables.deliveries import Delivery
from service.worker.courier import deliver_due, signature
from tests.service.tables.rows import SPEC, add_dataset

SECRET = "a secret of some length"


class Receiver(ThreadingHTTPServer):
    """Answers with what it is told, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.answer: Iterable[bytes] = [b"thanks"]
        self.drip = threading.Event()
        self.drip.set()
        self.heard: list[tuple[dict[str, str], str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append((dict(self.headers), body))
        self.server.drip.wait(10)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in self.server.answer:
                self.wfile.write(part)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.drip.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, webhook_private=True, webhook_seconds=1.0, webhook_attempts=3)


End = Callable[[str], str]


@pytest.fixture
def end_job(database: Database) -> End:
    """Ends a job that has a webhook; its id."""

    def end(url: str) -> str:
        with database.session() as db:
            dataset = add_dataset(db)
            webhook = {"url": url, "secret": SECRET}
            job = queue.add(db, owner="local", dataset_id=dataset.id, spec=SPEC, webhook=webhook)
            wishes.request_cancel(db, "local", job.id)
            return job.id

    return end


def _only(database: Database, job_id: str) -> Delivery:
    with database.reading() as db:
        (delivery,) = deliveries.of_job(db, job_id)
    return delivery


def _make_due(database: Database) -> None:
    with database.session() as db:
        db.execute(update(Delivery).values(next_at=database_now() - 1))


def test_the_end_of_a_job_is_told_once_and_signed(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job(receiver.url)
    assert deliver_due(database, settings)
    assert not deliver_due(database, settings)
    ((headers, body),) = receiver.heard
    facts = json.loads(body)
    assert (facts["type"], facts["data"]["id"]) == ("job.canceled", job_id)
    signed = signature(headers["Webhook-Id"], int(headers["Webhook-Timestamp"]), body, SECRET)
    assert headers["Webhook-Signature"] == signed
    delivery = _only(database, job_id)
    assert (delivery.status, delivery.attempts, delivery.id) == ("delivered", 1, headers["Webhook-Id"])
    assert delivery.log[0]["status"] == 200
    assert delivery.log[0]["answer"] == "thanks"


def test_a_receiver_in_trouble_is_told_again_later_and_then_given_up(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id, receiver.statuses = end_job(receiver.url), [500, 503, 500, 200]
    for attempt in (1, 2, 3):
        assert deliver_due(database, settings)
        assert not deliver_due(database, settings)  # it waits for its pause
        assert _only(database, job_id).status == ("waiting" if attempt < 3 else "failed")
        _make_due(database)
    assert not deliver_due(database, settings)
    assert [entry["status"] for entry in _only(database, job_id).log] == [500, 503, 500]
    assert len({headers["Webhook-Id"] for headers, _ in receiver.heard}) == 1


def test_a_redirect_is_not_followed(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.statuses, receiver.headers = [302], {"Location": receiver.url}
    job_id = end_job(receiver.url)
    deliver_due(database, settings)
    assert len(receiver.heard) == 1
    assert (_only(database, job_id).status, _only(database, job_id).log[0]["status"]) == ("waiting", 302)


def test_of_a_huge_answer_only_the_begin_is_read(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.answer = [b"x" * 10_000_000]
    job_id = end_job(receiver.url)
    deliver_due(database, settings)
    assert _only(database, job_id).status == "delivered"
    assert len(_only(database, job_id).log[0]["answer"]) == 200


def test_a_receiver_that_hangs_is_left_after_a_while(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.drip.clear()
    job_id = end_job(receiver.url)
    deliver_due(database, replace(settings, webhook_seconds=0.3))
    (entry,) = _only(database, job_id).log
    assert 0.2 < entry["seconds"] < 3
    assert "error" in entry


def test_a_receiver_that_answers_byte_by_byte_is_left_as_well(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.answer = _drops(seconds=8)
    job_id = end_job(receiver.url)
    began = time.monotonic()
    deliver_due(database, replace(settings, webhook_seconds=0.5))
    assert time.monotonic() - began < 6
    assert _only(database, job_id).attempts == 1


def _drops(seconds: float) -> Iterator[bytes]:
    """A byte now and then, each in time for a socket's own time-out."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        yield b"."
        time.sleep(0.1)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "2130706433",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_a_private_address_is_refused(
    settings: Settings, database: Database, end_job: End, host: str
) -> None:
    job_id = end_job(f"http://{host}:9/hook")
    deliver_due(database, replace(settings, webhook_private=False))
    assert "not a public address" in _only(database, job_id).log[0]["error"]


def test_a_name_that_changes_its_mind_after_the_check_reaches_nothing(
    receiver: Receiver, settings: Settings, database: Database, end_job: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: of the name only the first answer is public, and only that one is connected to."""
    asked: list[str] = []

    def resolve(name: str, port: int, *_others: Any, **_options: Any) -> list[Any]:
        asked.append(name)
        if name == "192.88.99.1":
            raise OSError("no way there from a test")
        address = "192.88.99.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    job_id = end_job(f"http://rebinding.example:{receiver.server_port}/hook")
    deliver_due(database, replace(settings, webhook_private=False))
    assert asked == ["rebinding.example", "192.88.99.1"]
    assert receiver.heard == []
    assert "no way there" in _only(database, job_id).log[0]["error"]


def test_a_receiver_that_does_not_exist_is_no_harm(
    settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job("http://127.0.0.1:1/hook")
    deliver_due(database, settings)
    assert "Connection refused" in _only(database, job_id).log[0]["error"]


def test_a_courier_that_died_leaves_its_delivery_to_the_next(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job(receiver.url)
    with database.session() as db:
        dead = deliveries.claim_due(db, lease_seconds=60)
    assert dead is not None
    assert not deliver_due(database, settings)
    _make_due(database)
    assert deliver_due(database, settings)
    with database.session() as db:
        assert not deliveries.record(db, dead, {}, arrived=False, retry_in_seconds=None)
    assert (_only(database, job_id).status, _only(database, job_id).attempts) == ("delivered", 2)
