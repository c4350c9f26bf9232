"""Webhooks over HTTP: which are taken, and what is shown of their deliveries."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.service.api.answers import errors_of, json_of, problem_of
from tests.service.api.conftest import ON_BOTH_DATABASES, SEED_SPEC, Post

URL = "/api/v1/jobs"
HOOK = {"url": "https://example.org/hook", "secret": "a secret of some length"}


@ON_BOTH_DATABASES
def test_a_job_with_a_webhook_shows_its_deliveries_and_never_the_secret(
    client: FlaskClient, post_job: Post
) -> None:
    job = post_job(webhook=HOOK)
    assert json_of(client.get(job["links"]["deliveries"]))["data"] == []
    ended = client.post(f"{URL}/{job['id']}/cancel")
    assert HOOK["secret"] not in ended.text
    answer = client.get(job["links"]["deliveries"])
    (delivery,) = json_of(answer)["data"]
    assert (delivery["status"], delivery["url"], delivery["attempts"]) == ("waiting", HOOK["url"], [])
    assert HOOK["secret"] not in answer.text


def test_a_job_without_one_has_no_deliveries(client: FlaskClient, post_job: Post) -> None:
    job = post_job()
    assert "deliveries" not in job["links"]
    assert json_of(client.get(f"{URL}/{job['id']}/deliveries"))["data"] == []
    problem_of(client.get(f"{URL}/job_nothing/deliveries"), 404, "not_found")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"url": "ftp://example.org"}, "/webhook/url", "invalid_text"),
        ({"url": "https://"}, "/webhook/url", "invalid_text"),
        ({"url": "https://me:you@example.org/"}, "/webhook/url", "invalid_text"),
        ({"url": "https://example.org:99999/"}, "/webhook/url", "invalid_text"),
        ({"url": "http://127.0.0.1/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://[::1]/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://localhost/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://localhost./hook"}, "/webhook/url", "private_address"),
        ({"url": "http://2130706433/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://[::ffff:127.0.0.1]/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://[::127.0.0.1]/hook"}, "/webhook/url", "private_address"),
        ({"url": "http://@127.0.0.1/hook"}, "/webhook/url", "invalid_text"),
        ({"url": "http://:you@example.org/"}, "/webhook/url", "invalid_text"),
        ({"url": "http://example.org\\@127.0.0.1/"}, "/webhook/url", "invalid_text"),
        ({"url": "http://127.0.0.1\\.example.org/"}, "/webhook/url", "invalid_text"),
        ({"url": "http://127.0.0.1\n.example.org/"}, "/webhook/url", "invalid_text"),
        ({"url": "http://example.org/a b"}, "/webhook/url", "invalid_text"),
        ({"url": 3}, "/webhook/url", "wrong_type"),
        ({"secret": "short"}, "/webhook/secret", "out_of_range"),
        ({"extra": 1}, "/webhook/extra", "unknown_field"),
    ],
)
def test_a_wrong_webhook_is_refused(
    client: FlaskClient, dataset: str, change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"dataset_id": dataset, **SEED_SPEC, "webhook": {**HOOK, **change}}
    assert errors_of(client.post(URL, json=body))[pointer] == code
