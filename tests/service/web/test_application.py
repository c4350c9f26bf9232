"""Flask, without what is not needed: it must find the very endpoints that Flask finds."""

import pytest
from flask import Flask, jsonify, request, session
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue

from service.web import application
from service.web.application import Application

ADDRESSES = ["/things/a", "/things/b@3", "/things/a%2Fb", "/things/é", "/things/a/", "//things/a", "/nothing"]


def furnished(app: Flask) -> FlaskClient:
    """A client of `app` with an endpoint of two methods and one that ends in a slash."""

    def thing(name: str) -> ResponseReturnValue:
        values = request.view_args or {}
        values["name"] = values["name"].upper()  # a view may do with its own what it likes
        return jsonify([name, request.method, request.args, request.endpoint])

    app.add_url_rule("/things/<name>", "thing", thing, methods=["GET", "POST"])
    app.add_url_rule("/folder/", "folder", lambda: "folder")
    return app.test_client()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", [*ADDRESSES, "/folder", "/folder/"])
def test_every_address_is_answered_as_flask_answers_it(path: str, method: str) -> None:
    ours, flasks = furnished(Application("ours")), furnished(Flask("flasks"))
    expected = flasks.open(f"{path}?x=1", method=method)
    for _ in range(2):  # the second time by heart
        answer = ours.open(f"{path}?x=1", method=method)
        assert (answer.status_code, answer.data) == (expected.status_code, expected.data)
        assert answer.headers.get("Location") == expected.headers.get("Location")
        assert set(answer.allow) == set(expected.allow)


def test_what_is_known_by_heart_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "REMEMBERED", 10)
    app = Application("ours")
    client = furnished(app)
    for i in range(25):
        assert client.get(f"/things/{i}").get_json()[0] == str(i)
        assert len(app.found) <= 10
    known = len(app.found)
    assert client.get(f"/things/{'a' * 300}").status_code == 200
    assert len(app.found) == known


def test_nobody_has_a_session() -> None:
    app = Application("ours")

    def write() -> str:
        session["user"] = "ada"
        return ""

    app.add_url_rule("/", "write", write)
    app.add_url_rule("/read", "read", lambda: str(dict(session)))
    app.testing = True
    with pytest.raises(RuntimeError, match="session is unavailable"):
        app.test_client().get("/")
    answer = app.test_client().get("/read")
    assert (answer.text, answer.headers.get("Set-Cookie")) == ("{}", None)
