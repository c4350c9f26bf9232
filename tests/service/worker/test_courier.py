"""Deliveries of webhooks: how often and when they are tried, what their log says, and who waits for whom."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.settings import Settings
from service.tables import deliveries, queue, wishes
from service.tables.base import Database
from service.tables.deliveries import Delivery
from service.tables.functions import database_now
from service.worker.courier import deliver
from tests.servers import Command, eventually
from tests.service.tables.rows import SPEC, add_dataset
from tests.service.worker.receivers import Receiver

SECRET = "a secret of some length"


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    opened: list[Receiver] = []

    def make() -> Receiver:
        opened.append(Receiver())
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    return receivers()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings, webhook_private=True, webhook_seconds=1.0, webhook_attempts=3, webhooks_at_once=4
    )


End = Callable[..., str]


@pytest.fixture
def end_job(database: Database) -> End:
    """Ends a job that has a webhook; its id."""

    def end(url: str, owner: str = "local") -> str:
        with database.session() as db:
            dataset = add_dataset(db, owner)
            webhook = {"url": url, "secret": SECRET}
            job = queue.add(db, owner=owner, dataset_id=dataset.id, spec=SPEC, webhook=webhook)
            wishes.request_cancel(db, owner, job.id)
            return job.id

    return end


Sweep = Callable[..., None]


@pytest.fixture
def start_sweeper(settings: Settings, tmp_path: Path) -> Iterator[Sweep]:
    """Starts the process that delivers, with changed settings."""
    started: list[Command] = []

    def start(**changes: Any) -> None:
        own = replace(settings, **changes)
        started.append(Command("sweeper", environment=own.environment(), log=tmp_path / "sweeper.log"))

    yield start
    for each in started:
        each.close()


def deliver_due(database: Database, settings: Settings) -> bool:
    """One attempt of what is due longest; False when none is due."""
    with database.session() as db:
        claimed = deliveries.claim_due(db, lease_seconds=60)
    if claimed is not None:
        deliver(database, settings, claimed)
    return claimed is not None


def _only(database: Database, job_id: str) -> Delivery:
    with database.reading() as db:
        (delivery,) = deliveries.of_job(db, job_id)
    return delivery


def _has_arrived(database: Database, job_id: str) -> bool:
    return _only(database, job_id).status == "delivered"


def _make_due(database: Database) -> None:
    with database.session() as db:
        db.execute(update(Delivery).values(next_at=database_now() - 1))


def test_the_end_of_a_job_is_told_once(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job(receiver.url)
    assert deliver_due(database, settings)
    assert not deliver_due(database, settings)
    ((headers, body),) = receiver.heard
    facts = json.loads(body)
    assert (facts["type"], facts["data"]["id"]) == ("job.canceled", job_id)
    delivery = _only(database, job_id)
    assert (delivery.status, delivery.attempts, delivery.id) == ("delivered", 1, headers["Webhook-Id"])
    assert (delivery.log[0]["status"], delivery.log[0]["answer"]) == (200, "thanks")


def test_a_receiver_in_trouble_is_told_again_later_and_then_given_up(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job(receiver.url)
    for attempt, status in enumerate((500, 503, 404), start=1):
        receiver.tells(status)
        assert deliver_due(database, settings)
        assert not deliver_due(database, settings)  # it waits for its pause
        assert _only(database, job_id).status == ("waiting" if attempt < 3 else "failed")
        _make_due(database)
    assert not deliver_due(database, settings)
    assert [entry["status"] for entry in _only(database, job_id).log] == [500, 503, 404]
    assert len({headers["Webhook-Id"] for headers, _ in receiver.heard}) == 1


def test_each_pause_is_five_times_the_last_and_none_is_longer_than_six_hours(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.tells(500)
    job_id, patient = end_job(receiver.url), replace(settings, webhook_attempts=20)
    pauses = []
    for _ in range(8):
        deliver_due(database, patient)
        with database.session() as db:
            pauses.append(db.query(Delivery.next_at - database_now()).scalar())
        _make_due(database)
    assert _only(database, job_id).status == "waiting"
    wanted = [5, 25, 125, 625, 3125, 15_625, 21_600, 21_600]
    assert pauses == pytest.approx(wanted, abs=4)


def test_a_redirect_is_said_to_be_not_followed(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.tells(302, "Location: http://localhost/inner")
    job_id = end_job(receiver.url)
    deliver_due(database, settings)
    (entry,) = _only(database, job_id).log
    assert entry["status"] == 302
    assert entry["error"] == "it leads to http://localhost/inner: redirects are not followed"
    assert len(receiver.heard) == 1


def test_a_receiver_that_hangs_is_said_so(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.drips(b"", b"")
    job_id = end_job(receiver.url)
    deliver_due(database, replace(settings, webhook_seconds=0.3))
    (entry,) = _only(database, job_id).log
    assert entry["error"] == "no answer within 0.3 s (webhook_seconds)"
    assert 0.2 < entry["seconds"] < 3


def test_what_no_text_should_hold_is_kept_all_the_same(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    receiver.answer = lambda: [b"HTTP/1.1 200 OK\r\n\r\n", b"\x00\x1b[31m\xff"]
    job_id = end_job(receiver.url)
    deliver_due(database, settings)
    assert _only(database, job_id).log[0]["answer"] == "\x00\x1b[31m\ufffd"


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


def test_a_notice_that_ends_its_courier_each_time_is_given_up(
    receiver: Receiver, settings: Settings, database: Database, end_job: End
) -> None:
    job_id = end_job(receiver.url)
    for _ in range(settings.webhook_attempts):
        with database.session() as db:
            assert deliveries.claim_due(db, lease_seconds=60)  # and then the sweeper dies
        _make_due(database)
    assert deliver_due(database, settings)
    delivery = _only(database, job_id)
    assert (delivery.status, receiver.heard) == ("failed", [])
    assert delivery.log[0]["error"] == "given up after 3 attempts (webhook_attempts)"


def test_who_hangs_holds_nobody_else_up(
    receivers: Callable[[], Receiver], start_sweeper: Sweep, database: Database, end_job: End
) -> None:
    slow, good = receivers(), receivers()
    slow.drips(b"", b"")
    for _ in range(20):
        end_job(slow.url)
    mine, yours = end_job(good.url), end_job(good.url, owner="you")
    start_sweeper(webhook_seconds=60.0)
    eventually(lambda: _has_arrived(database, mine) and _has_arrived(database, yours), what="both arrive")
    assert len(slow.heard) <= 2  # of four at once


def test_an_owner_whose_receivers_hang_leaves_a_place_to_others(
    receivers: Callable[[], Receiver], start_sweeper: Sweep, database: Database, end_job: End
) -> None:
    slow, good = receivers(), receivers()
    slow.drips(b"", b"")
    for number in range(20):
        end_job(f"{slow.url}&number={number}")
    yours = end_job(good.url, owner="you")
    start_sweeper(webhook_seconds=60.0)
    eventually(lambda: _has_arrived(database, yours), what="the other owner has heard")
    assert len(slow.heard) <= 3  # of four at once


def test_many_notices_to_one_receiver_take_no_sweep_each(
    receiver: Receiver, start_sweeper: Sweep, database: Database, end_job: End
) -> None:
    jobs = [end_job(receiver.url) for _ in range(10)]
    start_sweeper(sweep_seconds=60.0)
    eventually(lambda: all(_has_arrived(database, each) for each in jobs), seconds=50, what="all arrive")
    assert len(receiver.heard) == 10
