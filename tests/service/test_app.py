"""The application as a whole: every route, every error, the document of all."""

import json
import re
import threading
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from sqlalchemy import text
from werkzeug.routing import Rule

from engine.errors import BadData, BadModel, Problem
from service.api.parts import parts_of
from service.app import as_service_error, create_app
from service.error_kinds import KINDS
from service.settings import Settings
from service.tables.base import Conflict, Database
from service.web import turns
from service.web.openapi import METHODS, operations
from tests.servers import ValkeyServer, eventually
from tests.service.api.answers import json_of, problem_of

RIGHT_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/models/nothing:predict"): {"instances": [[1]]},
    ("POST", "/v1/models/nothing:explain"): {"instances": [[1]]},
    ("PUT", "/api/v1/models/nothing/aliases/nothing"): {"version": 1},
    ("PATCH", "/api/v1/models/nothing"): {"name": "x"},
    ("POST", "/api/v1/models/nothing/predictions"): {"instances": [[1]]},
    ("POST", "/api/v1/models/nothing/evaluations"): {"dataset_id": "ds_x"},
    ("POST", "/api/v1/models/nothing/batch-predictions"): {"dataset_id": "ds_x"},
    ("POST", "/api/v1/models/nothing/gradients"): {"instances": [[1]]},
    ("POST", "/api/v1/models/nothing/graph"): {"instance": [1]},
    ("POST", "/api/v1/models/nothing/trace"): {"instance": [1]},
}
PAGES = ("/", "/static/", "/jobs", "/models", "/sandbox", "/system", "/problems", "/docs", "/openapi.json")


@pytest.fixture(scope="module")
def app(
    migrated_sqlite: Path, shared_valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for all tests here: none of them changes anything."""
    made = create_app(
        Settings(
            database_url=f"sqlite:///{migrated_sqlite}",
            broker_url=shared_valkey.url,
            data_dir=tmp_path_factory.mktemp("data"),
        )
    )
    yield made
    made.extensions["gradhouse"].database.close()
    made.extensions["gradhouse"].broker.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    read: dict[str, Any] = json_of(client.get("/openapi.json"))
    return read


def routes(app: Flask) -> list[tuple[str, str]]:
    """Method and path of every route, with an id that names nothing in place of each variable."""

    def path(rule: Rule) -> str:
        return re.sub(r"<[^>]+>", "nothing", rule.rule)

    methods = {method.upper() for method in METHODS}
    return [
        (method, path(rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & methods
    ]


def is_page(path: str) -> bool:
    return path == "/" or path.startswith(PAGES[1:])


def test_the_openapi_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(document)):
        found = document
        for step in reference.split("/"):
            found = found[step]


def test_every_route_is_described_in_the_openapi_document(app: Flask, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(document)}
    served = {
        (method, re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {each.upper() for each in METHODS}
        if not is_page(rule.rule)
    }
    assert described == served


def test_every_operation_has_an_id_a_summary_and_described_errors(document: dict[str, Any]) -> None:
    found = list(operations(document))
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    for path, _, operation in found:
        assert operation["summary"].endswith(".") or ";" in operation["summary"]
        errors = {status for status in operation["responses"] if status >= "400"}
        assert {"400", "403", "406", "500", "503"} <= errors
        assert ("404" in errors) == ("{" in path)
        assert all("Problem" in operation["responses"][status]["$ref"] for status in errors)


def test_every_route_answers_an_unknown_id_with_a_problem(app: Flask, client: FlaskClient) -> None:
    for method, path in routes(app):
        if "nothing" in path:
            problem_of(
                client.open(path, method=method, json=RIGHT_BODIES.get((method, path))), 404, "not_found"
            )


def test_every_route_answers_a_wrong_method_with_what_is_allowed(app: Flask, client: FlaskClient) -> None:
    for path in {path for _, path in routes(app)}:
        answer = client.open(path.replace("nothing", "swagger-ui.css"), method="PROPFIND")
        problem_of(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"]


def test_every_route_refuses_a_foreign_host_and_a_foreign_page(app: Flask, client: FlaskClient) -> None:
    for method, path in routes(app):
        problem_of(client.open(path, method=method, headers={"Host": "evil.example"}), 403, "foreign_host")
        foreign = {"Origin": "https://evil.example"}
        problem_of(client.open(path, method=method, headers=foreign), 403, "cross_origin")


def test_every_reading_route_says_when_nothing_is_acceptable(app: Flask, client: FlaskClient) -> None:
    for method, path in routes(app):
        if method != "DELETE" and not is_page(path):
            answer = client.open(path, method=method, headers={"Accept": "image/png"})
            problem_of(answer, 406, "not_acceptable")


def test_every_body_of_another_media_type_is_refused(client: FlaskClient, document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if "requestBody" in operation:
            answer = client.open(
                path.replace("{model}", "nothing"), method=method.upper(), data="x", content_type="a/b"
            )
            problem_of(answer, 415, "unsupported_media_type")


def test_errors_are_problems_whatever_the_request_accepts(client: FlaskClient) -> None:
    for accept in ("text/html", "application/json", "*/*", "image/png, text/html;q=0.5"):
        problem_of(client.get("/nothing/here", headers={"Accept": accept}), 404, "not_found")


def test_every_kind_of_error_has_its_page(client: FlaskClient) -> None:
    for code, kind in KINDS.items():
        page = client.get(f"/problems/{code}")
        assert page.status_code == 200
        assert code in page.text
        assert str(kind.status) in page.text
        assert code in client.get("/problems").text
    problem_of(client.get("/problems/nothing"), 404, "not_found")


def test_an_unexpected_error_tells_nothing_of_the_inside(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("/root/secret/path")

    monkeypatch.setitem(app.view_functions, "health.read_health", broken)
    answer = client.get("/healthz", headers={"X-Request-ID": "mine"})
    problem_of(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "request mine failed" in caplog.text
    assert "/root/secret/path" in caplog.text


def test_errors_of_other_rooms_have_their_answers() -> None:
    data = as_service_error(
        BadData([Problem("/rows/3/1", "not_finite", "inf is not finite", "leave it empty")])
    )
    assert data is not None
    assert (data.status, data.code, data.errors[0].pointer) == (422, "validation_failed", "/rows/3/1")
    conflict = as_service_error(Conflict("job_finished", "it has ended", "post another"))
    assert conflict is not None
    assert (conflict.status, conflict.code, conflict.hint) == (409, "job_finished", "post another")
    full = as_service_error(OSError(ENOSPC, "No space left on device"))
    assert full is not None
    assert (full.status, full.code) == (507, "insufficient_storage")
    assert as_service_error(OSError(1, "x")) is as_service_error(KeyError("x")) is None
    assert as_service_error(BadModel([Problem("", "corrupt", "these bytes are no model")])) is None


def test_who_waits_for_the_database_to_write_holds_up_no_reader(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 60)  # nobody may be overtaken
    app = create_app(settings)
    answers = SimpleQueue[int]()

    def post() -> None:
        answers.put(app.test_client().post("/api/v1/datasets", json={"sample": "xor"}).status_code)

    with database.session() as db:
        if db.get_bind().dialect.name == "postgresql":
            db.execute(text("LOCK TABLE datasets IN EXCLUSIVE MODE"))  # others may read
        else:
            db.execute(text("DELETE FROM jobs WHERE false"))  # SQLite's one writer
        writers = [threading.Thread(target=post) for _ in range(3)]
        for writer in writers:
            writer.start()
        eventually(lambda: app.turns._running == len(writers), what="all wait for the database")
        assert app.test_client().get("/api/v1/jobs").status_code == 200
        assert answers.empty()
    for writer in writers:
        writer.join()
    assert [answers.get() for _ in writers] == [201] * 3
    parts_of(app).database.close()
    parts_of(app).broker.close()
