"""ETags and 304."""

import pytest
from flask import Flask, Response

from service.web.conditional import tagged, with_etag


@pytest.fixture
def app() -> Flask:
    made = Flask(__name__)
    made.add_url_rule("/<text>/<int:status>", "echo", tagged(echo))
    return made


def echo(text: str, status: int) -> tuple[str, int]:
    return text, status


def test_equal_contents_have_equal_tags_and_others_have_others(app: Flask) -> None:
    client = app.test_client()
    first, again, other = (client.get(path).headers["ETag"] for path in ("/a/200", "/a/200", "/b/200"))
    assert first == again != other
    assert first.startswith('"')


def test_a_tag_is_compared_weakly(app: Flask) -> None:
    client = app.test_client()
    etag = client.get("/a/200").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", W/{etag}', "*"):
        answer = client.get("/a/200", headers={"If-None-Match": known})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in answer.headers


def test_only_a_whole_answer_has_a_tag(app: Flask) -> None:
    assert "ETag" not in app.test_client().get("/a/410").headers


def test_a_cache_control_of_the_endpoint_stays(app: Flask) -> None:
    with app.test_request_context():
        kept = with_etag(Response("x", headers={"Cache-Control": "max-age=5"}))
        made = with_etag(Response("x"))
    assert kept.headers["Cache-Control"] == "max-age=5"
    assert made.headers["Cache-Control"] == "private, no-cache"
