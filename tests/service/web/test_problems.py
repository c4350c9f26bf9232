"""Every error as one document."""

from collections.abc import Callable

import pytest
from flask import Flask, abort, redirect, request

from service.errors import ServiceError
from service.web import problems


def application(view: Callable[[], object]) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 3
    app.add_url_rule("/é", "view", view, methods=["POST"])  # type: ignore[arg-type]  # an error is no answer
    problems.install(
        app, lambda error: ServiceError("conflict", str(error)) if isinstance(error, KeyError) else None
    )
    return app


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "bad_request"), (404, "not_found"), (409, "conflict"), (418, "bad_request"), (503, "unavailable")],
)
def test_what_the_framework_aborts_is_a_problem(status: int, code: str) -> None:
    answer = application(lambda: abort(status)).test_client().post("/é")
    document = answer.get_json(force=True)
    assert answer.content_type == "application/problem+json"
    assert document["code"] == code
    assert document["instance"] == "/%C3%A9"


def test_an_error_of_another_room_is_translated() -> None:
    def view() -> None:
        raise KeyError("x")

    assert application(view).test_client().post("/é").status_code == 409


def test_headers_of_an_error_are_sent() -> None:
    def view() -> None:
        raise ServiceError("unavailable", "later", headers={"Retry-After": "7"})

    assert application(view).test_client().post("/é").headers["Retry-After"] == "7"


def test_a_body_that_is_too_long_names_the_bound() -> None:
    answer = application(lambda: request.get_data().decode()).test_client().post("/é", data="1234")
    assert answer.status_code == 413
    assert "3 bytes" in answer.get_json(force=True)["detail"]


def test_a_redirect_is_no_error() -> None:
    assert application(lambda: redirect("/x")).test_client().post("/é").status_code == 302


def test_an_address_that_is_no_text_is_answered() -> None:
    answer = application(lambda: "").test_client().get("/%ff%fe")
    assert answer.status_code == 404
    assert answer.get_json(force=True)["instance"].startswith("/")
