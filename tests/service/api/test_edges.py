"""Each bound at its edge: what just fits is taken; one more is refused in words and leaves nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.settings import Settings
from tests.service.api.answers import json_of
from tests.service.api.conftest import SEED_SPEC
from tests.service.api.test_bounds import application

Ask = Callable[[FlaskClient, int], TestResponse]
DATASETS, VALIDATE, MODEL = "/api/v1/datasets", "/api/v1/jobs:validate", "/api/v1/models/moons"
CSV = {"content_type": "text/csv"}


def table(rows: int, columns: int) -> dict[str, Any]:
    """A dataset of so many rows and columns."""
    return {"columns": [f"x{i}" for i in range(columns)], "rows": [[i] * columns for i in range(rows)]}


def padded(size: int) -> bytes:
    """A dataset in JSON of exactly so many bytes."""
    body = b'{"columns": ["x"], "rows": [[1], [2]]}'
    return body + b" " * (size - len(body))


def spec(client: FlaskClient, **changed: Any) -> TestResponse:
    """The judgement of a job on the first dataset."""
    dataset = json_of(client.get(DATASETS))["data"][-1]["id"]
    return client.post(VALIDATE, json={"dataset_id": dataset, **SEED_SPEC, **changed})


def nested(levels: int) -> dict[str, Any]:
    """Metadata that make a body nested so deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 2):
        value = {"a": value}
    return value


def trained_for(client: FlaskClient, **training: Any) -> TestResponse:
    """The judgement of a job with other epochs or seconds."""
    return spec(client, training={"epochs": 1, **training})


def derived(client: FlaskClient, rows: int) -> TestResponse:
    """Second derivatives: for each row, four of the two inputs, two first ones, and a score."""
    return client.post(f"{MODEL}/gradients", json={"instances": [[0.5, 0.1]] * rows, "order": 2})


def queued(client: FlaskClient, count: int) -> TestResponse:
    """The answer to the last of so many jobs."""
    dataset = json_of(client.get(DATASETS))["data"][-1]["id"]
    waiting = len(json_of(client.get("/api/v1/jobs?status=queued"))["data"])
    for _ in range(count - waiting):
        answer = client.post("/api/v1/jobs", json={"dataset_id": dataset, **SEED_SPEC})
    return answer


EDGES: dict[str, tuple[int, Ask]] = {
    "max_body_bytes": (
        2_000,
        lambda client, n: client.post(DATASETS, data=b"x\n" + b"1\n" * 500 + b"\n" * (n - 1_002), **CSV),
    ),
    "max_json_bytes": (
        2**21,
        lambda client, n: client.post(DATASETS, data=padded(n), content_type="application/json"),
    ),
    "max_rows": (10, lambda client, n: client.post(DATASETS, json=table(n, 2))),
    "max_columns": (5, lambda client, n: client.post(DATASETS, json=table(4, n))),
    "max_cells": (30, lambda client, n: client.post(DATASETS, json=table(n, 1))),
    "max_depth": (6, lambda client, n: spec(client, metadata=nested(n))),
    "max_units": (20, lambda client, n: spec(client, model={"hidden_layers": [n]})),
    "max_layers": (3, lambda client, n: spec(client, model={"hidden_layers": [2] * n})),
    "max_parameters": (41, lambda client, n: spec(client, model={"hidden_layers": [-(-(n - 1) // 4)]})),
    "max_epochs": (7, lambda client, n: trained_for(client, epochs=n)),
    "max_seconds": (9, lambda client, n: trained_for(client, max_seconds=n)),
    "max_work": (7 * 100 * 337, lambda client, n: trained_for(client, epochs=-(-n // 33_700))),
    "max_instances": (
        3,
        lambda client, n: client.post(f"{MODEL}/predictions", json={"instances": [[0.5, 0.1]] * n}),
    ),
    "max_derivatives": (12, lambda client, n: derived(client, -(-n // 4))),
    "max_queued": (2, queued),
    "max_queued_per_owner": (2, queued),
}


@pytest.mark.parametrize("name", EDGES)
def test_what_just_fits_is_taken_and_one_more_is_refused(
    settings: Settings, trained: dict[str, Any], name: str
) -> None:
    assert trained["done"]
    bound, ask = EDGES[name]
    with application(settings, **{"max_body_bytes": 2**22, name: bound}) as app:
        client = app.test_client()
        fits = ask(client, bound)
        assert fits.status_code < 300, fits.text
        before = len(json_of(client.get(DATASETS))["data"])
        refused = ask(client, bound + 1)
        assert refused.status_code in {400, 413, 422, 429}, refused.text
        problem = refused.get_json(force=True)
        told = problem["detail"].replace(",", "")
        assert str(bound) in told or f"{bound:.3g}" in told, told
        assert problem["hint"]
        assert len(json_of(client.get(DATASETS))["data"]) == before
