"""What a job's body says of a webhook, and what keeps it from being one."""

import re
from typing import Any
from urllib.parse import urlsplit

from engine.errors import Problem
from service.addresses import is_inner_by_its_writing
from service.web.schemas import Schema, Text, load, shown

MAX_URL = 2000
LEAST_SECRET = 16


class WebhookBody(Schema):
    """Who is told of a job's end."""

    url = Text(required=True, most=MAX_URL)
    secret = Text(required=True, least=LEAST_SECRET)


WEBHOOK_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "gets a signed POST when the job has ended (standardwebhooks.com)",
    "required": ["url", "secret"],
    "additionalProperties": False,
    "properties": {
        "url": {"type": "string", "minLength": 1, "maxLength": MAX_URL},
        "secret": {"type": "string", "minLength": LEAST_SECRET, "maxLength": 255},
    },
}
_BODY = WebhookBody()
_ODD = re.compile(r"[^!-~]|\\")  # readers of URLs differ in what they make of these


def read_webhook(given: Any, *, private: bool) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The webhook of a job's body and all that is wrong with it."""
    if given is None:
        return None, []
    webhook, found = load(_BODY, given)
    problems = [
        Problem(f"/webhook{problem.pointer}", problem.code, problem.detail, problem.hint) for problem in found
    ]
    if "url" in webhook:
        problems += _url_problems(webhook["url"], private=private)
    return webhook, problems


def _url_problems(url: str, *, private: bool) -> list[Problem]:
    hint = "Such as https://example.org/hook."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return [Problem("/webhook/url", "invalid_text", f"url cannot be read: {error}", hint)]
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or _ODD.search(url):
        detail = f"url must be an http or https address in ASCII, without user and spaces, got {shown(url)}"
        return [Problem("/webhook/url", "invalid_text", detail, hint)]
    if not private and is_inner_by_its_writing(parts.hostname):  # names are looked up when a notice is sent
        detail = f"url must not lead to a private address, got {parts.hostname}"
        return [Problem("/webhook/url", "private_address", detail, "The setting webhook_private allows it.")]
    return []
