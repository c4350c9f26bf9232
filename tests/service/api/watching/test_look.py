"""One look for all who watch."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.service.api.watching.conftest import parts_of


def test_watchers_within_a_second_share_one_look(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.watching.look.FRESH_SECONDS", 60)
    statements: list[str] = []
    event.listen(
        parts_of(app).database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    for _ in range(5):
        client.get("/metrics")
        client.get("/api/v1/status")
    assert sum("GROUP BY jobs.status" in statement for statement in statements) == 1


def test_an_older_look_is_done_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.watching.look.FRESH_SECONDS", 0)
    lookout = parts_of(app).lookout
    before = lookout.look()
    parts_of(app).presence.announce("here/1:7:", 30)
    after = lookout.look()
    assert before.crew is not None
    assert after.crew is not None
    assert (len(before.crew.workers), len(after.crew.workers)) == (0, 1)
