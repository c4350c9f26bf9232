"""Ids, hosts and origins of requests."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.errors import ServiceError
from service.web import problems, requests

Make = Callable[[str], FlaskClient]


@pytest.fixture
def listening_on() -> Make:
    """A client of a service that is bound to an address."""

    def make(host: str) -> FlaskClient:
        app = Flask(__name__)
        requests.install(app, bind_host=host)
        problems.install(app, lambda _error: None)
        app.add_url_rule("/", "home", lambda: "here", methods=["GET", "POST"])
        return app.test_client()

    return make


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8137", "localhost", "LocalHost:1", "[::1]", "[::1]:8137", "localhost:"]
)
def test_this_machine_is_answered(listening_on: Make, host: str) -> None:
    assert listening_on("127.0.0.1").get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil:80",
        "127.0.0.2",
        "[::2]",
        "::1",
        "a@localhost",
    ],
)
def test_a_rebound_name_is_refused_on_loopback_only(listening_on: Make, host: str) -> None:
    for bound in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        answer = listening_on(bound).get("/", headers={"Host": host})
        assert (answer.status_code, answer.content_type) == (403, problems.MEDIA_TYPE)
    with pytest.raises(ServiceError, match="must be one of"):
        requests.check_host(host)


def test_a_service_on_another_address_has_a_name_of_its_own(listening_on: Make) -> None:
    assert listening_on("0.0.0.0").get("/", headers={"Host": "gradhouse.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_is_refused(listening_on: Make, headers: dict[str, str]) -> None:
    client = listening_on("127.0.0.1")
    for method in ("GET", "POST"):
        answer = client.open("/", method=method, headers={"Host": "localhost:8137", **headers})
        assert answer.get_json(force=True)["code"] == "cross_origin"


def test_the_services_own_pages_are_answered(listening_on: Make) -> None:
    own = {"Host": "localhost:8137", "Origin": "http://localhost:8137", "Sec-Fetch-Site": "same-origin"}
    assert listening_on("127.0.0.1").post("/", headers=own).status_code == 200


@pytest.mark.parametrize("offered", ["abc-123_X.y:z", "a" * 128])
def test_a_harmless_request_id_is_echoed(listening_on: Make, offered: str) -> None:
    answer = listening_on("127.0.0.1").get("/", headers={"X-Request-ID": offered})
    assert answer.headers["X-Request-ID"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "é", "a" * 129, "<script>"])
def test_another_request_id_is_replaced(listening_on: Make, offered: str) -> None:
    client = listening_on("127.0.0.1")
    first, second = (
        client.get("/", headers={"X-Request-ID": offered}).headers["X-Request-ID"] for _ in range(2)
    )
    assert first.startswith("req_")
    assert first != second


def test_an_address_with_nul_is_refused(listening_on: Make) -> None:
    client = listening_on("127.0.0.1")
    for path in ("/%00", "/?name=%00"):
        assert client.get(path).get_json(force=True)["code"] == "bad_request"


def test_a_service_elsewhere_may_name_its_hosts(listening_on: Make) -> None:
    app = Flask(__name__)
    requests.install(app, bind_host="0.0.0.0", hosts=frozenset({"gradhouse.example"}))
    problems.install(app, lambda _error: None)
    app.add_url_rule("/", "home", lambda: "here", methods=["GET", "POST"])
    for host, status in (("gradhouse.example", 200), ("localhost", 200), ("evil.example", 403)):
        assert app.test_client().get("/", headers={"Host": host}).status_code == status
    through_a_proxy = {"Host": "localhost:8137", "Origin": "https://gradhouse.example"}
    assert app.test_client().post("/", headers=through_a_proxy).status_code == 200
    foreign = {"Host": "gradhouse.example", "Origin": "https://evil.example"}
    assert app.test_client().post("/", headers=foreign).status_code == 403


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("content_type", [None, "multipart/form-data; boundary=x", "text/plain"])
def test_a_foreign_pages_request_is_refused_whatever_its_body(
    listening_on: Make, bound: str, content_type: str | None
) -> None:
    headers = {"Host": "localhost:8137", "Origin": "https://evil.example"}
    answer = listening_on(bound).post("/", headers=headers, data=b"x", content_type=content_type)
    assert answer.status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_an_open_service_answers_nobody_behind_a_proxy(header: str) -> None:
    for keyed, status in ((False, 403), (True, 200)):
        app = Flask(__name__)
        requests.install(app, bind_host="127.0.0.1", keyed=keyed)
        problems.install(app, lambda _error: None)
        app.add_url_rule("/", "home", lambda: "here")
        answer = app.test_client().get("/", headers={header: "1.2.3.4"})
        assert answer.status_code == status


def test_every_answer_is_protected_once(listening_on: Make) -> None:
    for path in ("/", "/nothing"):
        headers = listening_on("127.0.0.1").get(path).headers
        for name, value in requests.PROTECTING:
            assert headers.getlist(name) == [value]
        (policy,) = headers.getlist("Content-Security-Policy")
        assert "default-src 'none'" in policy
