"""`/metrics` over HTTP."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry.metrics import catalogue
from tests.service.api.watching.conftest import parts_of


def scrape(client: FlaskClient) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample as Prometheus' own parser reads it: by name, then by the values of the labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_jobs_queue_and_parts_are_told(client: FlaskClient, app: Flask, post_job: Callable[..., Any]) -> None:
    post_job()
    post_job(priority="high")
    parts_of(app).presence.announce("here/1:7:", 30)
    found = scrape(client)
    assert found["gradhouse_up"] == {("database",): 1, ("broker",): 1}
    assert found["gradhouse_jobs"][("queued",)] == 2
    assert found["gradhouse_queue_depth"] == {("high",): 1, ("normal",): 1, ("low",): 0}
    assert 0 <= found["gradhouse_queue_age_seconds"][()] < 60
    assert found["gradhouse_workers"][()] == 1
    assert list(found["gradhouse_worker_age_seconds"]) == [("here:7",)]
    assert found["gradhouse_http_request_seconds_count"]["POST", "/api/v1/jobs", "202"] >= 2


def test_every_figure_of_the_catalogue_is_there(client: FlaskClient, post_job: Callable[..., Any]) -> None:
    post_job()
    answer = client.get("/metrics").text
    missing = [row.name for row in catalogue() if f"# HELP {row.name}" not in answer]
    assert not missing


def test_parts_that_are_away_are_told_as_down_and_nothing_is_made_up(lonely: Flask) -> None:
    found = scrape(lonely.test_client())
    assert found["gradhouse_up"] == {("database",): 0, ("broker",): 0}
    assert "gradhouse_jobs" not in found
    assert "gradhouse_workers" not in found


def test_models_in_memory_are_told(client: FlaskClient, trained: dict[str, Any]) -> None:
    client.get(f"/api/v1/models/{trained['model_id']}/predictions?x1=0&x2=0")
    found = scrape(client)
    assert found["gradhouse_models_loaded"][()] == 1
    assert found["gradhouse_models_loaded_bytes"][()] > 337 * 8
