"""Models over HTTP."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, Post

URL = "/api/v1/models"


def test_a_model_says_what_it_was_made_from(client: FlaskClient, trained: dict[str, Any]) -> None:
    model = json_of(client.get(f"{URL}/{trained['model_id']}"))
    assert model["id"] == trained["model_id"]
    assert (model["name"], model["version"], model["parameter_count"]) == ("moons", 1, 337)
    assert (model["job_id"], model["dataset_id"]) == (trained["id"], trained["dataset_id"])
    assert model["spec"] == trained["spec"]
    assert model["inputs"] == [{"name": name, "type": "number", "categories": None} for name in ("x1", "x2")]
    assert model["classes"] == [-1, 1]
    assert model["metrics"]["validation"] is None
    assert {"loss", "accuracy"} <= model["metrics"]["train"].keys()
    assert len(model["sha256"]) == 64


@ON_BOTH_DATABASES
def test_a_name_stands_for_its_newest_version(
    client: FlaskClient, trained: dict[str, Any], post_job: Post, train: Callable[[], None]
) -> None:
    job = post_job()
    train()
    newest = json_of(client.get(f"/api/v1/jobs/{job['id']}"))["model_id"]
    references = {"moons": newest, "moons@2": newest, "moons@1": trained["model_id"]}
    for reference, model_id in references.items():
        assert json_of(client.get(f"{URL}/{reference}"))["id"] == model_id
    for reference in ("moons@3", "moons@x", "moons@", "noons"):
        problem_of(client.get(f"{URL}/{reference}"), 404, "not_found")


def test_models_are_listed_without_their_parameters(client: FlaskClient, trained: dict[str, Any]) -> None:
    page = json_of(client.get(f"{URL}?name=moons"))
    assert [model["id"] for model in page["data"]] == [trained["model_id"]]
    assert "layers" not in page["data"][0]
    assert client.get(f"{URL}?name=other").json == {"data": [], "has_more": False, "next": None}
    assert errors_of(client.get(f"{URL}?nam=x")) == {"/nam": "unknown_field"}


@ON_BOTH_DATABASES
def test_models_are_listed_by_dataset_and_by_how_good_they_are(
    client: FlaskClient, trained: dict[str, Any], dataset: str
) -> None:
    def shown(query: str) -> list[str]:
        return [model["id"] for model in json_of(client.get(f"{URL}?{query}"))["data"]]

    accuracy = json_of(client.get(f"{URL}/moons"))["metrics"]["train"]["accuracy"]
    here = [trained["model_id"]]
    assert shown(f"dataset_id={dataset}") == here
    assert shown("dataset_id=ds_0") == []
    assert shown("metric=train_accuracy") == here
    assert shown(f"metric=train_accuracy&least={accuracy}&most={accuracy}") == here
    assert shown(f"metric=train_accuracy&least={accuracy + 1e-9}") == []
    assert shown("metric=train_loss&most=0") == []
    assert shown("metric=val_accuracy") == []  # it was trained without a validation split
    assert errors_of(client.get(f"{URL}?least=0.5")) == {"/metric": "missing_field"}
    assert errors_of(client.get(f"{URL}?metric=acc")) == {"/metric": "unknown_value"}
    assert errors_of(client.get(f"{URL}?metric=val_loss&least=nan")) == {"/least": "wrong_type"}


@ON_BOTH_DATABASES
def test_notes_and_metadata_are_kept(client: FlaskClient, trained: dict[str, Any]) -> None:
    before = json_of(client.get(f"{URL}/moons"))
    assert (before["notes"], before["metadata"]) == (None, None)
    kept = {"notes": "The one for the fair.", "metadata": {"team": ["a", 1]}}
    changed = json_of(client.patch(f"{URL}/moons", json=kept))
    assert changed == json_of(client.get(f"{URL}/moons")) == {**before, **kept}
    assert json_of(client.patch(f"{URL}/moons", json={"notes": None}))["notes"] is None


def test_a_models_lineage_names_spec_and_version(client: FlaskClient, trained: dict[str, Any]) -> None:
    model = json_of(client.get(f"{URL}/moons"))
    canonical = json.dumps(model["spec"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert model["spec_sha256"] == sha256(canonical.encode()).hexdigest()
    assert model["engine_version"] == version("gradhouse")


@ON_BOTH_DATABASES
def test_a_name_that_is_being_trained_asks_for_patience(client: FlaskClient, post_job: Post) -> None:
    job = post_job()
    for path in ("predictions?x1=0&x2=0", "parameters"):
        answer = client.get(f"{URL}/moons/{path}")
        assert job["id"] in problem_of(answer, 503, "model_not_ready")["detail"]
        assert int(answer.headers["Retry-After"]) > 0
    problem_of(client.get(f"{URL}/moons@1/parameters"), 404, "not_found")


def test_parameters_come_layer_by_layer(client: FlaskClient, trained: dict[str, Any]) -> None:
    layers = json_of(client.get(f"{URL}/moons/parameters"))["layers"]
    shapes = [(len(layer["weights"]), len(layer["weights"][0]), len(layer["biases"])) for layer in layers]
    assert shapes == [(16, 2, 16), (16, 16, 16), (1, 16, 1)]
    assert [layer["activation"] for layer in layers] == ["tanh"] * 3


def test_a_model_is_not_sent_again_to_who_has_it(client: FlaskClient, trained: dict[str, Any]) -> None:
    for path in (f"{URL}/moons", f"{URL}/moons/parameters"):
        etag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


@ON_BOTH_DATABASES
def test_a_renamed_model_answers_to_its_new_name_only(client: FlaskClient, trained: dict[str, Any]) -> None:
    assert client.get(f"{URL}/moons@1/predictions?x1=0&x2=0").status_code == 200
    renamed = json_of(client.patch(f"{URL}/moons", json={"name": "half moons"}))
    assert (renamed["id"], renamed["name"], renamed["version"]) == (trained["model_id"], "half moons", 1)
    assert json_of(client.get(f"{URL}/half moons@1")) == renamed
    for old in ("moons", "moons@1"):
        problem_of(client.get(f"{URL}/{old}/predictions?x1=0&x2=0"), 404, "not_found")
    assert json_of(client.patch(f"{URL}/half moons", json={"name": "half moons"})) == renamed
    assert json_of(client.patch(f"{URL}/half moons", json={"name": "moons"}))["version"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "a/b"}, {"/name": "invalid_text"}),
        ({"name": ""}, {"/name": "out_of_range"}),
        ({"name": None}, {"/name": "wrong_type"}),
        ({}, {"": "missing_field"}),
        ({"notes": 3}, {"/notes": "wrong_type"}),
        ({"notes": "x" * 10_001}, {"/notes": "wrong_type"}),
        ({"metadata": []}, {"/metadata": "wrong_type"}),
        ({"metadata": {"x": "y" * 20_000}}, {"/metadata": "too_large"}),
        ({"nam": "x", "name": "x"}, {"/nam": "unknown_field"}),
    ],
)
def test_a_wrong_change_is_refused(
    client: FlaskClient, trained: dict[str, Any], body: dict[str, Any], code: dict[str, str]
) -> None:
    assert errors_of(client.patch(f"{URL}/moons", json=body)) == code


@pytest.mark.parametrize(
    "name", ["mdl_1", "a/b", "a@2", ".", " . ", "..", "a", "mdl", "a.b", " a", "=1+1", "a\u200bb", "x" * 100]
)
def test_the_description_allows_the_names_that_a_rename_does(
    client: FlaskClient, trained: dict[str, Any], name: str
) -> None:
    described = json_of(client.get("/openapi.json"))["components"]["schemas"]["ModelChange"]
    allowed = re.search(described["properties"]["name"]["pattern"], name)
    answer = client.patch(f"{URL}/{trained['model_id']}", json={"name": name})
    assert answer.status_code == (200 if allowed else 422), answer.text


def test_an_unknown_model_cannot_be_renamed(client: FlaskClient) -> None:
    problem_of(client.patch(f"{URL}/moons", json={"name": "x"}), 404, "not_found")


@ON_BOTH_DATABASES
def test_a_deleted_model_answers_no_more(client: FlaskClient, trained: dict[str, Any]) -> None:
    predictions = f"{URL}/{trained['model_id']}/predictions?x1=0&x2=0"
    assert client.get(predictions).status_code == 200
    assert client.delete(f"{URL}/{trained['model_id']}").status_code == 204
    problem_of(client.get(predictions), 404, "not_found")
    problem_of(client.get(f"{URL}/moons"), 404, "not_found")
    problem_of(client.delete(f"{URL}/{trained['model_id']}"), 404, "not_found")
