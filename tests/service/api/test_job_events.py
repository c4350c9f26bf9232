"""The log of a job over HTTP: pages and streams of one and the same."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient
from httpx_sse import ServerSentEvent, connect_sse

from service.app import create_app
from service.settings import Settings
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, Post

SSE = {"Accept": "text/event-stream"}


def _page(client: FlaskClient, job: dict[str, Any], query: str = "") -> dict[str, Any]:
    page: dict[str, Any] = json_of(client.get(f"{job['links']['events']}{query}"))
    return page


def _parsed(text: str) -> list[dict[str, str]]:
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n")) for block in text.split("\n\n") if block
    ]
    return [block for block in blocks if "id" in block]


@ON_BOTH_DATABASES
def test_the_log_tells_the_moves_in_order(client: FlaskClient, trained: dict[str, Any]) -> None:
    page = _page(client, trained)
    moves = [each["data"]["status"] for each in page["data"] if each["type"] == "transition"]
    assert moves == ["queued", "running", "succeeded"]
    ids = [each["id"] for each in page["data"]]
    assert ids == sorted(ids)
    assert (page["has_more"], page["next"]) == (False, None)


@ON_BOTH_DATABASES
def test_the_log_is_read_in_pages(client: FlaskClient, trained: dict[str, Any]) -> None:
    whole = _page(client, trained)["data"]
    first = _page(client, trained, "?limit=1")
    rest = _page(client, trained, f"?after={first['next']}")
    assert first["has_more"] is True
    assert first["data"] + rest["data"] == whole


@ON_BOTH_DATABASES
def test_a_stream_holds_the_same_events_and_ends_with_the_job(
    client: FlaskClient, trained: dict[str, Any]
) -> None:
    answer = client.get(trained["links"]["events"], headers=SSE)
    assert answer.content_type.startswith("text/event-stream")
    assert answer.text.startswith("retry: ")
    streamed = _parsed(answer.text)
    whole = _page(client, trained)["data"]
    assert [int(each["id"]) for each in streamed] == [each["id"] for each in whole]
    assert [each["event"] for each in streamed] == [each["type"] for each in whole]


def test_a_stream_resumes_after_the_last_event(client: FlaskClient, trained: dict[str, Any]) -> None:
    ids = [each["id"] for each in _page(client, trained)["data"]]
    for position, last in enumerate(ids):
        answer = client.get(trained["links"]["events"], headers={**SSE, "Last-Event-ID": str(last)})
        assert [int(each["id"]) for each in _parsed(answer.text)] == ids[position + 1 :]


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30, "1.5"])
def test_a_wrong_last_event_id_is_refused(client: FlaskClient, post_job: Post, last: str) -> None:
    answer = client.get(post_job()["links"]["events"], headers={**SSE, "Last-Event-ID": last})
    assert "Last-Event-ID" in problem_of(answer, 400, "bad_request")["detail"]


def test_a_wrong_page_or_an_unknown_job_is_refused(client: FlaskClient, post_job: Post) -> None:
    assert set(errors_of(client.get(f"{post_job()['links']['events']}?after=x"))) == {"/after"}
    problem_of(client.get("/api/v1/jobs/job_nothing/events", headers=SSE), 404, "not_found")


@pytest.fixture
def hasty(settings: Settings, app: Flask) -> Iterator[Flask]:
    """The application with one place for streams, which end after half a second."""
    made = create_app(replace(settings, stream_seconds=0.5, max_streams=1))
    yield made
    made.extensions["gradhouse"].database.close()
    made.extensions["gradhouse"].broker.close()


def test_a_quiet_stream_says_that_it_lives_and_ends_to_be_resumed(hasty: Flask, post_job: Post) -> None:
    text = hasty.test_client().get(post_job()["links"]["events"], headers=SSE).text
    assert ": still here" in text
    assert text.count("id: ") == 1


def test_streams_are_bounded_and_give_their_places_back(hasty: Flask, post_job: Post) -> None:
    link = post_job()["links"]["events"]
    with hasty.test_client().get(link, headers=SSE, buffered=False):
        refused = hasty.test_client().get(link, headers=SSE)
        problem_of(refused, 503, "too_many_streams")
        again = {hasty.test_client().get(link, headers=SSE).headers["Retry-After"] for _ in range(20)}
        assert len(again) > 1  # who was refused together does not come back together
        assert all(5 <= int(seconds) <= 15 for seconds in again)
        assert hasty.test_client().get(link).status_code == 200
    assert hasty.test_client().get(link, headers=SSE).status_code == 200


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application behind a real socket."""
    server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_client_of_another_make_follows_a_job_to_its_end(
    address: str, post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job(training={"epochs": 300})
    link = f"{address}{job['links']['events']}"
    heard: list[ServerSentEvent] = []
    with httpx.Client(timeout=30) as http, connect_sse(http, "GET", link) as source:
        trainer = threading.Thread(target=train)
        trainer.start()
        heard.extend(event for event in source.iter_sse() if event.id)
        trainer.join()
    moves = [event.json()["data"]["status"] for event in heard if event.event == "transition"]
    assert moves == ["queued", "running", "succeeded"]
