"""How much may be asked for: jobs that wait, and the work of one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from service.api.parts import parts_of
from service.app import create_app
from service.settings import Settings
from service.worker.bench import Bench, SharedFlag
from service.worker.work import take_next
from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import SEED_SPEC, Post

URL = "/api/v1/jobs"


@contextmanager
def application(settings: Settings, **changed: Any) -> Iterator[Flask]:
    """The application with other bounds."""
    made = create_app(replace(settings, **changed))
    yield made
    made.extensions["gradhouse"].database.close()
    made.extensions["gradhouse"].broker.close()


@pytest.fixture
def narrow(settings: Settings) -> Iterator[Flask]:
    """The application with room for one job, and for as much work as the seed's."""
    bounds = {"max_queued": 1, "max_work": 21 * 100 * 337, "max_training_bytes": 60_000_000}
    with application(settings, **bounds) as made:
        yield made


def test_a_full_queue_takes_no_job_until_one_has_left(narrow: Flask, dataset: str) -> None:
    client, body = narrow.test_client(), {"dataset_id": dataset, **SEED_SPEC}
    first = client.post(URL, json=body)
    assert first.status_code == 202
    refused = client.post(URL, json=body)
    assert "max_queued allows 1" in problem_of(refused, 429, "queue_full")["detail"]
    assert int(refused.headers["Retry-After"]) >= 1
    here = first.headers["Location"]
    assert client.post(f"{here}/cancel").status_code == 202
    assert client.post(URL, json=body).status_code == 202
    problem_of(client.post(f"{here}/resume"), 429, "queue_full")


def test_more_work_than_allowed_is_refused_with_the_bound(narrow: Flask, dataset: str) -> None:
    training: dict[str, Any] = {**SEED_SPEC["training"], "epochs": 22}
    answer = narrow.test_client().post(URL, json={"dataset_id": dataset, **SEED_SPEC, "training": training})
    assert errors_of(answer) == {"/training/epochs": "too_much_work"}
    assert "22 epochs x 100 rows x 337 parameters" in answer.text


def test_more_memory_than_allowed_is_refused_with_the_estimate(narrow: Flask, dataset: str) -> None:
    client, wide = narrow.test_client(), {"hidden_layers": [1000, 1000]}
    body = {"dataset_id": dataset, **SEED_SPEC, "model": wide, "training": {"epochs": 1}}
    for url in (URL, f"{URL}:validate"):
        [error] = [
            each
            for each in problem_of(client.post(url, json=body), 422)["errors"]
            if "bytes" in each["detail"]
        ]
        assert (error["pointer"], error["code"]) == ("/training/batch_size", "too_large")
        assert "at most 60,000,000 are allowed (max_training_bytes)" in error["detail"]
    allowed = client.post(f"{URL}:validate", json={"dataset_id": dataset, **SEED_SPEC})
    assert 0 < json_of(allowed)["estimated_memory_bytes"] < 60_000_000


def test_a_second_larger_dataset_counts_in_the_memory(settings: Settings, dataset: str) -> None:
    body = {"dataset_id": dataset, **SEED_SPEC}
    with application(settings) as wide:
        client = wide.test_client()
        sample = {"sample": "moons", "options": {"n_samples": 1_000, "labels": [-1, 1]}}
        other = json_of(client.post("/api/v1/datasets", json=sample))["id"]
        both = {**body, "split": {"dataset_id": other}}
        alone, together = (
            json_of(client.post(f"{URL}:validate", json=each))["estimated_memory_bytes"]
            for each in (body, both)
        )
    assert together > alone + 1_000 * 3 * 8
    with application(settings, max_training_bytes=together - 1) as narrow:
        client = narrow.test_client()
        answer = client.post(URL, json=both)
        assert errors_of(answer) == {"/training/batch_size": "too_large"}
        assert f"up to {together:,} bytes; at most {together - 1:,} are allowed" in answer.text
        assert json_of(client.get(URL))["data"] == []
        assert client.post(URL, json=body).status_code == 202


def test_models_beyond_max_loaded_bytes_are_read_anew(
    settings: Settings, trained: dict[str, Any], post_job: Post, train: Callable[[], None]
) -> None:
    post_job(model={"name": "other", "hidden_layers": [16, 16]})
    train()
    row = {"instances": [[0.5, -0.2]]}
    for most, kept in ((2**30, 2), (1, 1)):  # the one that is asked must be there
        with application(settings, max_loaded_bytes=most) as made:
            client = made.test_client()
            for name in ("moons", "other", "moons"):
                answer = client.post(f"/api/v1/models/{name}/predictions", json=row)
                assert answer.status_code == 200, answer.text
            assert len(parts_of(made).models._loaded) == kept
    assert trained["done"]


@pytest.mark.parametrize(("most", "taken"), [(0, 3), (2, 2), (1, 1)])
def test_no_more_than_max_running_per_owner_are_taken(
    settings: Settings, post_job: Post, most: int, taken: int
) -> None:
    for _ in range(3):
        post_job()
    bench = Bench.open(replace(settings, max_running_per_owner=most, concurrency=1), SharedFlag())
    assert len(take_next(bench)) == taken
    bench.close()


def test_a_proxy_is_believed_as_far_as_trusted_proxies_says(settings: Settings) -> None:
    for proxies, left in ((0, 0), (1, 1)):
        options = {"trusted_proxies": proxies, "address_rate": 0.01, "address_burst": 1, "rate_limits": "on"}
        with application(settings, **options, require_keys=True) as made:
            client = made.test_client()
            asked = [
                client.get("/api/v1/models", headers={"X-Forwarded-For": f"192.0.2.{proxies}{i}"}).status_code
                for i in range(2)
            ]
        assert asked.count(401) == 1 + left


def test_nobody_is_told_to_wait_longer_than_max_retry_seconds(
    settings: Settings, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"dataset_id": dataset, **SEED_SPEC}
    with application(settings, max_queued=1, max_retry_seconds=3) as made:
        monkeypatch.setattr(parts_of(made).outlook, "measure", lambda _db: 1e-6)  # jobs a second
        client = made.test_client()
        assert client.post(URL, json=body).status_code == 202
        refused = client.post(URL, json=body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
