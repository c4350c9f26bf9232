"""Idempotency keys over HTTP: sent twice, created once, answered alike."""

import io
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from service.api.idempotency import _without
from service.settings import Settings
from service.tables import idempotency
from service.tables.base import LOCAL_OWNER, Conflict, Database
from service.tables.idempotency import IdempotencyKey, Reservation
from tests.servers import eventually
from tests.service.api.answers import json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, SEED_SAMPLE, SEED_SPEC

URL = "/api/v1/jobs"


def _post(client: FlaskClient, dataset: str, key: str, **changes: Any) -> TestResponse:
    body = {"dataset_id": dataset, **SEED_SPEC, **changes}
    return client.post(URL, json=body, headers={"Idempotency-Key": key})


def _count(client: FlaskClient) -> int:
    return len(json_of(client.get(URL))["data"])


@ON_BOTH_DATABASES
def test_a_request_sent_twice_gets_the_first_answer_again(client: FlaskClient, dataset: str) -> None:
    first, second = _post(client, dataset, "k1"), _post(client, dataset, "k1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.data == second.data
    for name in ("Location", "Operation-Location", "Retry-After", "Content-Type"):
        assert first.headers[name] == second.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert _count(client) == 1
    assert _post(client, dataset, "k2").data != first.data


@ON_BOTH_DATABASES
def test_a_key_with_another_body_is_refused(client: FlaskClient, dataset: str) -> None:
    _post(client, dataset, "k1")
    problem_of(_post(client, dataset, "k1", priority="high"), 422, "idempotency_key_reused")
    elsewhere = client.post("/api/v1/datasets", json=SEED_SAMPLE, headers={"Idempotency-Key": "k1"})
    problem_of(elsewhere, 422, "idempotency_key_reused")
    assert _count(client) == 1


@ON_BOTH_DATABASES
def test_a_key_in_flight_is_refused_until_its_request_counts_as_dead(
    client: FlaskClient, dataset: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _post(client, dataset, "k1")
    _forget_answer(settings)  # as if the process had died before its answer
    refused = problem_of(_post(client, dataset, "k1"), 409, "idempotency_key_in_flight")
    assert "at work" in refused["detail"]
    monkeypatch.setattr(idempotency, "RESERVED_SECONDS", 0.0)
    again = _post(client, dataset, "k1")
    assert again.status_code == 202
    assert again.data != first.data


def test_a_key_that_cannot_be_freed_is_free_in_a_while_and_hides_no_refusal(
    client: FlaskClient, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("DELETE", None, ConnectionError("the database is away"))

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "give_up", away)
        problem_of(_post(client, dataset, "k1", loss="hing"), 422)
    monkeypatch.setattr(idempotency, "RESERVED_SECONDS", 0.2)
    eventually(lambda: _post(client, dataset, "k1").status_code == 202)


def test_a_request_that_outlives_its_reservation_creates_nothing(database: Database) -> None:
    late, quick = (Reservation(LOCAL_OWNER, "k1", token, "f") for token in ("late", "quick"))
    kept = idempotency.Kept(202, {}, b"quick")
    with database.session() as db:
        assert idempotency.reserve(db, late) is None
        db.get_one(IdempotencyKey, (LOCAL_OWNER, "k1")).token = "quick"  # taken over, it had run out
    with pytest.raises(Conflict, match="ran out"), database.session() as db:
        idempotency.complete(db, late, kept)
    with database.session() as db:
        idempotency.complete(db, quick, kept)
        assert idempotency.reserve(db, late) == kept


@ON_BOTH_DATABASES
def test_of_many_requests_at_once_one_creates(client: FlaskClient, dataset: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(_post, client.application.test_client(), dataset, "k1") for _ in range(16)]
        statuses = {each.result().status_code for each in sent}
    assert statuses <= {202, 409}
    assert 202 in statuses
    assert _count(client) == 1


def test_a_key_is_free_again_after_a_request_that_created_nothing(client: FlaskClient, dataset: str) -> None:
    problem_of(_post(client, dataset, "k1", loss="hing"), 422)
    assert _post(client, dataset, "k1").status_code == 202


@ON_BOTH_DATABASES
@pytest.mark.parametrize("made", ["datasets", "models", "jobs", "batch-predictions"])
def test_nothing_is_created_without_its_key_nor_the_key_without_it(
    client: FlaskClient, trained: dict[str, Any], made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = _creators(client, trained)[made]
    before = _everything(client)

    def break_down(*_: Any) -> None:
        raise ConnectionAbortedError("the last moment before the commit")

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "complete", break_down)
        assert send().status_code == 500
    assert _everything(client) == before
    first, second = send(), send()
    assert first.status_code in {201, 202}, first.text
    assert first.data == second.data
    assert second.headers["Idempotency-Replayed"] == "true"
    assert sum(_everything(client)) == sum(before) + 1


def _creators(client: FlaskClient, trained: dict[str, Any]) -> dict[str, Callable[[], TestResponse]]:
    """A way to create each thing there is, with a key."""
    here = f"/api/v1/models/{trained['model_id']}"
    of_data = {"dataset_id": trained["dataset_id"]}
    exported = json_of(client.get(f"{here}/export"))
    bodies = {
        "datasets": ("/api/v1/datasets", SEED_SAMPLE),
        "models": ("/api/v1/models", exported),
        "jobs": (URL, {**of_data, **SEED_SPEC}),
        "batch-predictions": (f"{here}/batch-predictions", of_data),
    }
    key = {"Idempotency-Key": "k1"}
    return {name: partial(client.post, path, json=body, headers=key) for name, (path, body) in bodies.items()}


def _everything(client: FlaskClient) -> list[int]:
    """How many datasets, jobs and models there are."""
    return [len(json_of(client.get(f"/api/v1/{kind}"))["data"]) for kind in ("datasets", "jobs", "models")]


def test_keys_are_forgotten_after_a_day(
    client: FlaskClient, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _post(client, dataset, "k1")
    monkeypatch.setattr(idempotency, "KEPT_SECONDS", 0.0)
    assert _post(client, dataset, "k1", priority="high").status_code == 202


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "ü"])
def test_a_key_that_cannot_be_used_is_refused_with_the_reason(
    client: FlaskClient, dataset: str, key: str
) -> None:
    refused = problem_of(_post(client, dataset, key), 400, "bad_idempotency_key")
    assert "1 to 255 printable ASCII characters" in refused["detail"]
    assert _count(client) == 0


def test_an_uploaded_form_is_the_same_whatever_its_boundary(client: FlaskClient) -> None:
    answers = [
        client.post(
            "/api/v1/datasets",
            data={"file": (io.BytesIO(b"x,y\n1,2\n3,4\n"), "a.csv")},
            headers={"Idempotency-Key": "k1"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    assert answers[1].headers["Location"] == answers[0].headers["Location"]


def _forget_answer(settings: Settings) -> None:
    database = Database(settings.database)
    with database.session() as db:
        db.get_one(IdempotencyKey, (LOCAL_OWNER, "k1")).status = None
    database.close()


@given(
    st.lists(st.binary(max_size=6).map(lambda piece: bytes(each % 2 for each in piece))),
    st.binary(max_size=3).map(lambda word: bytes(each % 2 for each in word)),
)
def test_a_word_is_left_out_wherever_pieces_end(pieces: list[bytes], word: bytes) -> None:
    whole = b"".join(pieces)
    assert b"".join(_without(word, pieces)) == (whole.replace(word, b"") if word else whole)


def test_a_large_file_under_a_key_is_never_whole_in_memory(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = size = 40 * 2**20
    headers = {"Idempotency-Key": "k", "Content-Type": "text/csv"}
    lines = io.BytesIO(b"x\n" + b"12345678\n" * (size // 9 - 1))
    client = app.test_client()
    tracemalloc.start()
    answer = client.post(
        "/api/v1/datasets", input_stream=lines, content_length=lines.getbuffer().nbytes, headers=headers
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json_of(answer)["status"] == "validating"
    assert peak < 10 * 2**20
