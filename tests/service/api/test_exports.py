"""Models that leave and come back over HTTP."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.export.formats import FORMS
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES

URL = "/api/v1/models"
ROWS = {"instances": [[0.5, -0.2], [-0.9, 0.9]]}


@pytest.mark.parametrize("name", FORMS.names())
def test_a_model_leaves_as_a_file(client: FlaskClient, trained: dict[str, Any], name: str) -> None:
    answer = client.get(f"{URL}/moons/export?format={name}")
    form = FORMS.get(name)
    assert (answer.status_code, answer.mimetype) == (200, form.media_type)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="moons-1{form.suffix}"'
    assert len(answer.data) > 1_000
    known = {"If-None-Match": answer.headers["ETag"]}
    assert client.get(f"{URL}/moons/export?format={name}", headers=known).status_code == 304


@ON_BOTH_DATABASES
@pytest.mark.parametrize("name", ["json", "safetensors"])
def test_a_model_comes_back_as_the_next_version(
    client: FlaskClient, trained: dict[str, Any], name: str
) -> None:
    written = client.get(f"{URL}/moons/export?format={name}")
    answer = client.post(URL, data=written.data, content_type=written.mimetype)
    assert answer.status_code == 201, answer.text
    first, back = json_of(client.get(f"{URL}/moons@1")), json_of(answer)
    assert answer.headers["Location"] == f"{URL}/{back['id']}"
    assert (back["name"], back["version"], back["job_id"], back["dataset_id"]) == ("moons", 2, None, None)
    assert all(back[each] == first[each] for each in ("sha256", "spec", "spec_sha256", "inputs", "classes"))
    said = [json_of(client.post(f"{URL}/moons@{v}/predictions", json=ROWS))["predictions"] for v in (1, 2)]
    assert said[0] == said[1]
    assert [each["id"] for each in json_of(client.get(f"{URL}?metric=train_loss"))["data"]] == [first["id"]]


def test_a_model_comes_back_under_another_name(client: FlaskClient, trained: dict[str, Any]) -> None:
    written = client.get(f"{URL}/moons/export?format=json").data
    send = {"data": written, "content_type": "application/json"}
    assert json_of(client.post(f"{URL}?name=suns", **send))["name"] == "suns"
    assert errors_of(client.post(f"{URL}?name=a@b", **send)) == {"/name": "invalid_text"}


def test_what_is_no_export_is_refused(client: FlaskClient, app: Flask, trained: dict[str, Any]) -> None:
    assert errors_of(client.post(URL, json={"digest": ""})) == {"": "bad_model"}
    binary = client.post(URL, data=b"\x00" * 99, content_type="application/octet-stream")
    assert errors_of(binary) == {"": "bad_model"}
    problem_of(client.post(URL, data=b"x", content_type="text/x-python"), 415, "unsupported_media_type")
    written = client.get(f"{URL}/moons/export?format=json").data
    assert errors_of(client.post(URL, data=written[:-200] + b"}" * 9, content_type="application/json")) == {
        "": "bad_model"
    }


def test_a_form_that_is_none_is_refused(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert json_of(client.get(f"{URL}/moons/export"))["kind"] == "gradhouse-model"
    assert errors_of(client.get(f"{URL}/moons/export?format=onyx")) == {"/format": "unknown_value"}
    problem_of(client.get(f"{URL}/suns/export?format=json"), 404, "not_found")
