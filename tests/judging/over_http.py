"""Trials trained by a running service, as any client would have them trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from tests.judging.trials import Trial


def trained(client: httpx.Client, trials: Iterable[Trial]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """For each trial its ended job and its history; `client` is at the API's root.

    All jobs are queued before the first one is asked for.
    """
    for job in [_post(client, trial) for trial in trials]:
        while not job["done"]:
            job = _answer(client.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=20"}))  # noqa: PLW2901
        yield job, _answer(client.get(f"/jobs/{job['id']}/history", params={"limit": 1_000}))["data"]


def _post(client: httpx.Client, trial: Trial) -> dict[str, Any]:
    table = {"name": f"trial {trial.seed}", "columns": trial.columns, "rows": trial.rows}
    dataset = _answer(client.post("/datasets", json=table))["id"]
    return _answer(client.post("/jobs", json={"dataset_id": dataset, **trial.spec}))


def _answer(response: httpx.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    document: dict[str, Any] = response.json()
    return document
