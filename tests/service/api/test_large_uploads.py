"""Files too large to be read while a client waits: a worker validates them, the dataset tells the end."""

import gzip
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from engine.data.reading.formats import read_table
from service.settings import Settings
from service.tables import idempotency
from tests.service.api import conftest
from tests.service.api.answers import json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES

URL = "/api/v1/datasets"
CSV = b"zip,y\n" + b"01234,1\n98765,-99\n" * 50
Train = Callable[[], None]


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """Settings under which every file is a large one."""
    made: Settings = conftest.settings.__wrapped__(  # type: ignore[attr-defined]  # the fixture's own function
        request, request.getfixturevalue("valkey"), request.getfixturevalue("tmp_path")
    )
    return replace(made, inline_bytes=100)


def stored(settings: Settings) -> list[Path]:
    return [path for path in settings.datasets_dir.glob("??/*") if path.is_file()]


def upload(client: FlaskClient, data: bytes = CSV, **query: str) -> dict[str, Any]:
    answer = client.post(URL, data=data, content_type="text/csv", query_string=query)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = json_of(answer)
    return made


@ON_BOTH_DATABASES
def test_a_large_file_is_validated_by_a_worker(client: FlaskClient, train: Train, settings: Settings) -> None:
    made = upload(client, name="large", types='{"zip": "category"}', nulls='["-99"]')
    here = f"{URL}/{made['id']}"
    assert (made["status"], made["row_count"], made["columns"], made["error"]) == ("validating", 0, [], None)
    problem_of(client.get(f"{here}/rows"), 409, "dataset_not_ready")
    body = {"dataset_id": made["id"], "target": "y"}
    problem_of(client.post("/api/v1/jobs", json=body), 409, "dataset_not_ready")
    problem_of(client.delete(here), 409, "dataset_in_use")
    train()
    ready = json_of(client.get(here))
    assert (ready["status"], ready["row_count"], ready["name"]) == ("ready", 100, "large")
    assert json_of(client.get(f"{here}/rows?limit=2"))["data"] == [["01234", 1], ["98765", None]]
    assert [path.name for path in stored(settings)] == [ready["sha256"]]
    assert ready["source_sha256"] == made["source_sha256"] != ready["sha256"]
    (job,) = json_of(client.get("/api/v1/jobs"))["data"]
    assert (job["kind"], job["status"], job["dataset_id"]) == ("validation", "succeeded", made["id"])


def test_it_becomes_what_a_small_one_would(client: FlaskClient, train: Train) -> None:
    form = {"file": (io.BytesIO(CSV), "a.csv")}
    first, second = upload(client), json_of(client.post(URL, data=form))
    packed = client.post(
        URL, data=gzip.compress(CSV), content_type="text/csv", headers={"Content-Encoding": "gzip"}
    )
    train()
    ready = [json_of(client.get(f"{URL}/{made['id']}")) for made in (first, second, json_of(packed))]
    assert len({each["sha256"] for each in ready}) == 1
    assert ready[0]["columns"] == read_table(CSV, "text/csv").profile().public_columns()


@pytest.mark.parametrize("form", [False, True])
def test_a_preview_of_a_large_file_is_refused(client: FlaskClient, settings: Settings, form: bool) -> None:
    sent: Any = {"data": {"file": (io.BytesIO(CSV), "a.csv")}} if form else {"data": CSV}
    answer = client.post("/api/v1/datasets:preview", content_type=None if form else "text/csv", **sent)
    detail = problem_of(answer, 413, "too_large")["detail"]
    assert detail.startswith("a preview reads at most 100 bytes (inline_bytes), the file has")
    assert stored(settings) == []


def test_a_bad_file_is_rejected_with_its_problems(
    client: FlaskClient, train: Train, settings: Settings
) -> None:
    made = upload(client, CSV + b"1\n1,2,3\n")
    train()
    rejected = json_of(client.get(f"{URL}/{made['id']}"))
    assert rejected["status"] == "rejected"
    details = [each["detail"] for each in rejected["error"]["errors"]]
    assert details == [
        "line 102 has 1 cells, the header has 2",
        "line 103 has 3 cells, the header has 2",
    ]
    assert stored(settings) == []
    assert json_of(client.get(URL))["data"][0]["status"] == "rejected"
    assert client.delete(f"{URL}/{made['id']}").status_code == 204


def test_a_validation_may_be_canceled(client: FlaskClient) -> None:
    made = upload(client)
    (job,) = json_of(client.get("/api/v1/jobs"))["data"]
    assert client.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 202
    assert json_of(client.get(f"{URL}/{made['id']}"))["status"] == "rejected"


@ON_BOTH_DATABASES
def test_a_large_file_sent_twice_with_one_key_is_one_dataset(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send() -> TestResponse:
        return client.post(URL, data=CSV, content_type="text/csv", headers={"Idempotency-Key": "k1"})

    def break_down(*_: Any) -> None:
        raise ConnectionAbortedError("the last moment before the commit")

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "complete", break_down)
        assert send().status_code == 500
    assert json_of(client.get(URL))["data"] == []
    first, second = send(), send()
    assert (first.status_code, json_of(first)["status"], json_of(first)["error"]) == (201, "validating", None)
    assert first.data == second.data
    assert len(json_of(client.get(URL))["data"]) == len(json_of(client.get("/api/v1/jobs"))["data"]) == 1
