"""Aliases of models over HTTP."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, Post

URL = "/api/v1/models/moons"


@pytest.fixture
def two_versions(
    client: FlaskClient, trained: dict[str, Any], post_job: Post, train: Callable[[], None]
) -> list[str]:
    """The ids of moons@1 and moons@2."""
    post_job()
    train()
    return [json_of(client.get(f"{URL}@{version}"))["id"] for version in (1, 2)]


@ON_BOTH_DATABASES
def test_an_alias_stands_for_a_version_and_moves(client: FlaskClient, two_versions: list[str]) -> None:
    first = client.put(f"{URL}/aliases/champion", json={"version": 1})
    assert first.status_code == 201
    assert first.json == {"name": "moons", "alias": "champion", "version": 1, "model_id": two_versions[0]}
    for version, model_id in enumerate(two_versions, start=1):
        assert client.put(f"{URL}/aliases/champion", json={"version": version}).status_code == 200
        model = json_of(client.get(f"{URL}@champion"))
        assert (model["id"], model["version"], model["aliases"]) == (model_id, version, ["champion"])
        answer = client.get(f"{URL}@champion/predictions?x1=0&x2=0")
        assert json_of(answer)["model_id"] == model_id
        assert answer.headers["Cache-Control"] == "private, no-cache"
    listed = json_of(client.get("/api/v1/models?name=moons"))["data"]
    assert [model["aliases"] for model in listed] == [["champion"], []]


@ON_BOTH_DATABASES
def test_an_alias_goes_with_its_model_and_with_its_name(client: FlaskClient, two_versions: list[str]) -> None:
    for alias, version in (("old", 1), ("new", 2)):
        client.put(f"{URL}/aliases/{alias}", json={"version": version})
    client.delete(f"{URL}@old")
    client.patch(f"{URL}@new", json={"name": "suns"})
    for reference in ("moons@old", "moons@new", "suns@new"):
        problem_of(client.get(f"/api/v1/models/{reference}"), 404, "not_found")


def test_an_alias_is_deleted_without_its_model(client: FlaskClient, trained: dict[str, Any]) -> None:
    client.put(f"{URL}/aliases/champion", json={"version": 1})
    assert client.get(f"{URL}@champion/predictions?x1=0&x2=0").status_code == 200
    assert client.delete(f"{URL}/aliases/champion").status_code == 204
    problem_of(client.get(f"{URL}@champion/predictions?x1=0&x2=0"), 404, "not_found")
    problem_of(client.delete(f"{URL}/aliases/champion"), 404, "not_found")
    assert client.get(f"{URL}@1").status_code == 200


def test_a_wrong_alias_is_refused(client: FlaskClient, trained: dict[str, Any]) -> None:
    def put(alias: str, body: Any) -> Any:
        return client.put(f"{URL}/aliases/{alias}", json=body)

    assert errors_of(put("7", {"version": 1})) == {"/alias": "invalid_text"}
    assert errors_of(put("a@b", {"version": 1})) == {"/alias": "invalid_text"}
    assert errors_of(put("a", {"version": 9})) == {"/version": "unknown_version"}
    assert errors_of(put("a", {"version": "1"})) == {"/version": "wrong_type"}
    assert errors_of(put("a", {})) == {"/version": "missing_field"}
    problem_of(client.put("/api/v1/models/suns/aliases/a", json={"version": 1}), 404, "not_found")


@ON_BOTH_DATABASES
def test_a_moving_alias_always_stands_for_a_version(
    app: Flask, client: FlaskClient, two_versions: list[str]
) -> None:
    client.put(f"{URL}/aliases/champion", json={"version": 1})
    seen: list[int] = []

    def read() -> None:
        reader = app.test_client()
        seen.extend(reader.get(f"{URL}@champion").status_code for _ in range(30))

    thread = threading.Thread(target=read)
    thread.start()
    for turn in range(30):
        client.put(f"{URL}/aliases/champion", json={"version": 1 + turn % 2})
    thread.join()
    assert set(seen) == {200}
