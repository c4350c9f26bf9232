"""Life signs over HTTP."""

from dataclasses import replace
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from service.app import create_app
from service.settings import Settings
from tests.service.api.answers import errors_of, problem_of
from tests.service.api.watching.conftest import parts_of


def test_a_process_that_answers_is_alive(client: FlaskClient, lonely: Flask) -> None:
    assert client.get("/healthz").json == lonely.test_client().get("/healthz").json == {"status": "ok"}


def test_without_a_worker_the_service_is_not_ready(client: FlaskClient, app: Flask) -> None:
    answer = client.get("/readyz")
    errors = problem_of(answer, 503, "unavailable")["errors"]
    assert [error["pointer"] for error in errors] == ["/worker"]
    assert answer.headers["Retry-After"]
    parts_of(app).presence.announce("somebody", 10)
    assert client.get("/readyz").json == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok", "worker": "ok"},
    }


def test_every_part_that_is_away_is_named(lonely: Flask) -> None:
    errors = problem_of(lonely.test_client().get("/readyz"), 503, "unavailable")["errors"]
    said = [(error["pointer"], error["code"]) for error in errors]
    assert said == [("/database", "away"), ("/broker", "away"), ("/worker", "unknown")]


def test_without_the_database_requests_are_to_be_sent_again(lonely: Flask) -> None:
    client = lonely.test_client()
    for answer in (
        client.get("/api/v1/jobs"),
        client.post("/api/v1/jobs", json={"dataset_id": "ds_1", "target": "y"}),
        client.post("/api/v1/datasets", json={"sample": "xor"}),
        client.get("/api/v1/models/m/predictions?x=1"),
    ):
        problem_of(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


def test_an_outdated_database_is_named_with_its_remedy(settings: Settings, tmp_path: Path) -> None:
    app = create_app(replace(settings, database_url=f"sqlite:///{tmp_path / 'empty.db'}"))
    errors = problem_of(app.test_client().get("/readyz"), 503, "unavailable")["errors"]
    assert errors[0]["pointer"] == "/migrations"
    assert "gradhouse db upgrade" in errors[0]["hint"]
    parts_of(app).database.close()
    parts_of(app).broker.close()


def test_parts_can_be_left_out_of_the_question(client: FlaskClient) -> None:
    answer = client.get("/readyz?exclude=worker&exclude=broker")
    assert answer.json == {"status": "ready", "checks": {"database": "ok", "migrations": "ok"}}
    assert errors_of(client.get("/readyz?exclude=wrker")) == {"/exclude/0": "unknown_value"}
