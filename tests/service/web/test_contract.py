"""The decorators that are the contract."""

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.web import bodies, problems, requests
from service.web.conditional import tagged
from service.web.contract import Api, Blueprint
from service.web.schemas import Schema, StrictInt, Text


class Thing(Schema):
    size = StrictInt(minimum=1, required=True)


class Query(Schema):
    name = Text()


@pytest.fixture
def api() -> Api:
    things = Blueprint("things", "Things.", prefix="/v1")

    @things.post("/things")
    @things.body(Thing())
    @things.answer(201, Thing())
    def create_thing(body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a thing."""
        return body

    @things.get("/things/<thing_id>")
    @tagged
    @things.query(Query())
    @things.answer(200, Thing())
    def read_thing(query: Mapping[str, Any], thing_id: str) -> dict[str, Any]:
        """Read a thing."""
        return {"size": len(thing_id) + len(query.get("name", ""))}

    app = Flask(__name__)
    bodies.install(app, max_body_bytes=1000)
    requests.install(app, bind_host="127.0.0.1")
    problems.install(app, lambda _error: None)
    made = Api(app, "1.0")
    made.register_blueprint(things)
    return made


@pytest.fixture
def client(api: Api) -> FlaskClient:
    app: Flask = api._app
    return app.test_client()


def test_a_body_is_read_and_written_by_its_schema(client: FlaskClient) -> None:
    made = client.post("/v1/things", json={"size": 3})
    assert (made.status_code, made.json) == (201, {"size": 3})


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/size", "missing_field"),
        ({"size": 0}, "/size", "out_of_range"),
        ({"size": 1, "siz": 2}, "/siz", "unknown_field"),
        ([], "", "wrong_type"),
    ],
)
def test_a_wrong_body_is_refused_by_its_schema(
    client: FlaskClient, body: Any, pointer: str, code: str
) -> None:
    answer = client.post("/v1/things", json=body)
    [error] = answer.get_json(force=True)["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code)


def test_a_query_is_read_by_its_schema(client: FlaskClient) -> None:
    assert client.get("/v1/things/abc?name=de").json == {"size": 5}
    [error] = client.get("/v1/things/abc?nam=de").get_json(force=True)["errors"]
    assert (error["pointer"], error["hint"]) == ("/nam", 'did you mean "name"?')


def test_the_document_is_read_off_the_decorators(api: Api) -> None:
    paths = api.document()["paths"]
    made, read = paths["/v1/things"]["post"], paths["/v1/things/{thing_id}"]["get"]
    assert (made["operationId"], read["operationId"]) == ("create_thing", "read_thing")
    assert made["responses"]["422"] == {"$ref": "#/components/responses/Problem422"}
    assert "404" not in made["responses"]
    assert read["responses"]["404"] == {"$ref": "#/components/responses/Problem404"}
    assert "ETag" in read["responses"]["200"]["headers"]
    assert "304" in read["responses"]
    assert [each["name"] for each in read["parameters"]] == ["name", "If-None-Match"]
    size = api.document()["components"]["schemas"]["Thing"]["properties"]["size"]
    assert size == {"type": "integer", "minimum": 1}
