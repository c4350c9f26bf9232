"""What runs, for people."""

from flask import Flask
from flask.testing import FlaskClient

from service.tables import HEAD
from tests.service.api.answers import json_of
from tests.service.api.watching.conftest import parts_of

TOLD = {"pid": 8, "busy": True, "steps": 21, "started_at": 1.7e9, "tables": 0, "table_bytes": 0}


def test_the_status_names_versions_workers_queue_and_limits(client: FlaskClient, app: Flask) -> None:
    presence = parts_of(app).presence
    presence.announce("here/1:7:", 10, {"version": "0.1", "concurrency": 2})
    presence.report("here/1:7:8:ab12cd34", TOLD, steps=21, seconds=0.5)
    status = json_of(client.get("/api/v1/status"))
    (worker,) = status["workers"]
    (process,) = worker["processes"]
    assert (worker["name"], worker["version"], worker["concurrency"]) == ("here:7", "0.1", 2)
    assert (process["pid"], process["busy"], process["steps"]) == (8, True, 21)
    assert process["started_at"].startswith("2023-11-14T")
    assert 0 <= worker["age_seconds"] < 10
    assert (status["database"], status["broker"]) == ("ok", "ok")
    assert status["queue"] == {"depth": 0, "age_seconds": 0, "messages": 0}
    assert status["jobs"]["queued"] == 0
    assert status["training"] == {"steps": 21, "seconds": 0.5}
    assert status["versions"]["database"] == HEAD
    assert 0 <= status["uptime_seconds"] < 600
    assert status["limits"]["max_epochs"] == parts_of(app).settings.max_epochs


def test_what_cannot_be_known_while_a_part_is_away_is_null(lonely: Flask) -> None:
    status = json_of(lonely.test_client().get("/api/v1/status"))
    assert (status["database"], status["broker"], status["workers"]) == ("away", "away", [])
    assert status["queue"] == {"depth": None, "age_seconds": None, "messages": None}
    assert (status["jobs"], status["training"]) == (None, None)
