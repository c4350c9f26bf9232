"""The OpenAPI 3.1 document: what the decorators say, and what holds for every operation."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.error_kinds import KINDS
from service.scopes import Scope

METHODS = ("get", "post", "put", "patch", "delete")

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "hint", "request_id"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "A page that explains it.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong: the fact, the bound, what was found."},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "enum": sorted(KINDS), "description": "Stable; for programs."},
        "hint": {"type": "string", "description": "What to do."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "hint": {"type": "string"},
                },
            },
        },
    },
}

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
}
_ETAG = {"ETag": {"description": "Names this content.", "schema": {"type": "string"}}}
_IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "The ETag of the answer that is already there.",
    "schema": {"type": "string"},
}
_ALWAYS = (400, 401, 403, 406, 500, 503)
_KEY = "key"  # the name of the security scheme
_KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `gradhouse keys create`. The roles are scopes; each holds the ones before it: "
    "read, write, admin.",
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "What is wrong with the key.", "schema": {"type": "string"}}
}
_WITH_BODY = (413, 415, 422)


def describe_operation(doc: dict[str, Any], info: Mapping[str, Any], **context: Any) -> dict[str, Any]:
    """Adds to an operation what our own decorators say: flask-smorest calls this for each one."""
    if "scope" in info:
        scope: Scope = info["scope"]
        doc["security"] = [] if scope is Scope.PUBLIC else [{_KEY: [scope.word]}]
    if info.get("tagged"):
        doc.setdefault("parameters", []).append(_IF_NONE_MATCH)
        doc["responses"][304] = {"description": "Not Modified", "headers": _ETAG}
        doc["responses"][200]["headers"] = {**_ETAG, **doc["responses"][200].get("headers", {})}
    for status in info.get("refuses", ()):
        doc["responses"][status] = _problem(status)
    return doc


def finish(document: dict[str, Any], *, keyed: bool) -> dict[str, Any]:
    """Adds the errors, the keys and the address to a document; without `keyed` nobody is asked for a key."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["responses"] = {f"Problem{status}": _problem_response(status) for status in _statuses()}
    document["info"]["description"] = "Trains small neural networks and shows every number inside them."
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["servers"] = [{"url": "/"}]
    components["securitySchemes"] = {_KEY: _KEY_SCHEME}
    for path, _, operation in operations(document):
        if not keyed and operation.get("security"):
            operation["security"] = [*operation["security"], {}]  # the key may be left out
        for status in _error_statuses(path, operation):
            operation["responses"][str(status)] = _problem(status)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation."""
    for path, item in document["paths"].items():
        yield from ((path, method, item[method]) for method in METHODS if method in item)


def _error_statuses(path: str, operation: Mapping[str, Any]) -> Iterator[int]:
    yield from _ALWAYS
    if "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from _WITH_BODY
    elif operation.get("parameters"):
        yield 422


def _statuses() -> list[int]:
    return sorted({kind.status for kind in KINDS.values()})


def _problem(status: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/Problem{status}"}


def _problem_response(status: int) -> dict[str, Any]:
    titles = [kind.title for kind in KINDS.values() if kind.status == status]
    schema = {"$ref": "#/components/schemas/Problem"}
    response: dict[str, Any] = {
        "description": "; or ".join(titles) + ".",
        "content": {"application/problem+json": {"schema": schema}},
    }
    headers = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}
    return {**response, "headers": headers[status]} if status in headers else response
