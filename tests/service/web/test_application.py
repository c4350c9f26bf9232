"""Flask, without what is not needed: it must find the very endpoints that Flask finds."""

from collections.abc import Callable

import pytest
from flask import Flask, Response, jsonify, request, session
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from werkzeug.test import EnvironBuilder

from service.web import application
from service.web.application import Application
from service.web.turns import Turns

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


class _Turns(Turns):
    """Knows how many turns are taken."""

    taken = 0

    def enter(self, kind: str | None = None) -> None:
        self.taken += 1

    def leave(self) -> None:
        self.taken -= 1


def test_a_request_takes_a_turn_and_a_stream_none() -> None:
    app, turns, taken_within = Application("ours"), _Turns(1), list[int]()

    def stream() -> Response:
        taken_within.append(turns.taken)
        return Response(iter([b"in ", b"pieces"]))

    app.turns = turns
    app.add_url_rule("/stream", "stream", stream)
    with app.test_client().get("/stream", buffered=False) as answer:
        assert taken_within == [1]
        assert turns.taken == 0
        assert answer.data == b"in pieces"


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


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(b"bytes"),
        lambda: Response("täxt", 201, {"Location": "/ü"}),
        lambda: Response("queued", 202, {"Location": "http://localhost/api/v1/jobs/job_1"}),
        lambda: Response(["in ", "pieces"]),
        lambda: Response(iter([b"in ", b"pieces"])),
        lambda: Response(b"none", 204),
        lambda: Response(b"known", 304),
        lambda: {"a": 1},
    ],
    ids=["bytes", "created", "queued", "list", "stream", "empty", "unchanged", "json"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_goes_out_as_flask_sends_it(
    answer: Callable[[], ResponseReturnValue], method: str
) -> None:
    sent = []
    for app in (Application("ours"), Flask("flasks")):
        app.add_url_rule("/", "view", answer)
        got = app.test_client().open("/", method=method)
        sent.append((got.status, got.data, sorted(got.headers)))
    assert sent[0] == sent[1]


def test_a_body_in_one_piece_reaches_the_server_as_a_list_and_others_are_closed() -> None:
    app, closed = Application("ours"), []

    def closing() -> Response:
        response = Response(b"x")
        response.call_on_close(lambda: closed.append(True))
        return response

    app.add_url_rule("/plain", "plain", lambda: Response(b"x"))
    app.add_url_rule("/closing", "closing", closing)
    for path in ("/plain", "/closing"):
        environ = EnvironBuilder(path=path).get_environ()
        pieces = app.wsgi_app(environ, lambda status, headers, exc_info=None, /: headers.append)
        assert (type(pieces) is list) == (path == "/plain")
        assert list(pieces) == [b"x"]
        getattr(pieces, "close", lambda: None)()
    assert closed == [True]


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
