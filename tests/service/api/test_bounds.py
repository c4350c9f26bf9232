"""How much may be asked for: jobs that wait, and the work of one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from service.app import create_app
from service.settings import Settings
from tests.service.api.answers import errors_of, problem_of
from tests.service.api.conftest import SEED_SPEC

URL = "/api/v1/jobs"


@pytest.fixture
def narrow(settings: Settings) -> Iterator[Flask]:
    """The application with room for one job, and for as much work as the seed's."""
    made = create_app(replace(settings, max_queued=1, max_work=21 * 100 * 337))
    yield made
    made.extensions["gradhouse"].database.close()
    made.extensions["gradhouse"].broker.close()


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
