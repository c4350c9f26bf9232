"""Two hosts with a bucket and a database in common, and no folder: what one takes in the other works on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from service.storage.bucket import open_bucket
from service.worker.bench import Bench, SharedFlag
from service.worker.work import work
from tests.service.api import conftest
from tests.service.api.answers import json_of, problem_of

URL = "/api/v1/datasets"
CSV = b"x,y\n" + b"1.5,a\n2.5,b\n" * 40


@pytest.fixture
def settings(request: pytest.FixtureRequest, bucket_settings: Settings) -> Settings:
    """The first host's: every file is a large one there."""
    made: Settings = conftest.settings.__wrapped__(  # type: ignore[attr-defined]  # the fixture's own function
        request, request.getfixturevalue("valkey"), request.getfixturevalue("tmp_path")
    )
    names = ("s3_bucket", "s3_endpoint", "s3_access_key_id", "s3_secret_access_key")
    return replace(made, inline_bytes=100, **{name: getattr(bucket_settings, name) for name in names})


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    """The second host's worker."""
    bench = Bench.open(replace(settings, data_dir=tmp_path / "other"), SharedFlag())
    yield bench
    bench.close()


def test_an_upload_here_is_validated_trained_and_predicted_there(
    client: FlaskClient, other: Bench, tmp_path: Path
) -> None:
    dataset = json_of(client.post(URL, data=CSV, content_type="text/csv"))["id"]
    work(other)
    assert json_of(client.get(f"{URL}/{dataset}/rows?limit=2"))["data"] == [[1.5, "a"], [2.5, "b"]]
    body = {"dataset_id": dataset, "target": "y", "training": {"epochs": 3}}
    job = json_of(client.post("/api/v1/jobs", json=body))["id"]
    work(other)
    model = json_of(client.get(f"/api/v1/jobs/{job}"))["model_id"]
    batch = client.post(f"/api/v1/models/{model}/batch-predictions", json={"dataset_id": dataset})
    work(other)
    output = f"/api/v1/jobs/{json_of(batch)['id']}"
    assert len(client.get(f"{output}/output").text.splitlines()) == 81
    assert client.delete(output).status_code == 204
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "gradhouse.db" not in path.name]


def test_a_bad_upload_leaves_nothing_in_the_bucket(client: FlaskClient, other: Bench) -> None:
    made = json_of(client.post(URL, data=CSV + b"1\n", content_type="text/csv"))
    work(other)
    assert json_of(client.get(f"{URL}/{made['id']}"))["status"] == "rejected"
    assert list(other.storage._bucket.names("datasets/")) == []  # type: ignore[attr-defined]


def test_a_bucket_that_is_away_is_a_503(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json_of(client.post(URL, json={"sample": "moons"}))
    assert client.get(f"{URL}/{made['id']}/rows").status_code == 200
    storage = client.application.extensions["gradhouse"].storage
    monkeypatch.setattr(storage, "_bucket", _away())
    answer = client.get(f"{URL}/{made['id']}/rows")
    assert problem_of(answer, 503, "unavailable")["detail"].startswith(
        "the store of datasets does not answer"
    )


def _away() -> object:
    away = Settings(
        s3_bucket="none", s3_endpoint="http://127.0.0.1:1", s3_access_key_id="a", s3_secret_access_key="b"
    )
    return open_bucket(away)._bucket
