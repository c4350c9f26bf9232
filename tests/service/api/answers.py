"""What tests ask of answers."""

from typing import Any

from werkzeug.test import TestResponse


def json_of(answer: TestResponse) -> Any:
    """The body as JSON."""
    return answer.get_json()


def problem_of(answer: TestResponse, status: int, code: str = "validation_failed") -> dict[str, Any]:
    """The problem document of a refusal, checked for what every one of them must have."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    document: dict[str, Any] = answer.get_json(force=True)
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"/problems/{code}"
    assert document["request_id"] == answer.headers["X-Request-ID"]
    assert document["detail"]
    assert document["hint"]
    assert document["title"]
    assert document["instance"].startswith("/")
    return document


def errors_of(answer: TestResponse) -> dict[str, str]:
    """A 422's problems: the code by pointer."""
    return {error["pointer"]: error["code"] for error in problem_of(answer, 422)["errors"]}
