"""Turns whatever goes wrong into one problem document (RFC 9457), whatever the request accepts."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

import orjson
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.routing.exceptions import RequestRedirect

from service.errors import ServiceError, problem_document
from service.web.requests import request_id

MEDIA_TYPE = "application/problem+json"
_IN_PATHS = "/:@!$&'()*+,;=~"  # what a path may hold as it is (RFC 3986)
FOREIGN_DOORS = ("/v1/", "/v2")

_log = logging.getLogger(__name__)

Translate = Callable[[Exception], ServiceError | None]

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    410: "gone",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "validation_failed",
    501: "not_implemented",
    503: "unavailable",
}


def install(app: Flask, translate: Translate) -> None:
    """Answers every error of `app`; `translate` names the ones that other rooms raise."""

    def answer(error: Exception) -> ResponseReturnValue:
        if isinstance(error, RequestRedirect):
            return error.get_response()
        return respond(_as_service_error(error, translate))

    app.register_error_handler(Exception, answer)
    app.register_error_handler(HTTPException, answer)


def respond(error: ServiceError) -> Response:
    """The answer to a refused request."""
    document = problem_document(error.code, error.detail, hint=error.hint, errors=error.errors)
    document |= {"status": error.status, "request_id": request_id()}
    document["instance"] = quote(request.path, safe=_IN_PATHS, errors="replace")
    if request.path.startswith(FOREIGN_DOORS):
        document["error"] = error.detail  # the clients of these protocols read this and nothing else
    return Response(orjson.dumps(document), error.status, error.headers, mimetype=MEDIA_TYPE)


def _as_service_error(error: Exception, translate: Translate) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, HTTPException):
        return _from_http(error)
    translated = translate(error)
    if translated is not None:
        return translated
    _log.exception("request %s failed", request_id(), exc_info=error)
    return ServiceError("internal_error", "the service met an error that it does not know")


def _from_http(error: HTTPException) -> ServiceError:
    status = error.code or 500
    if isinstance(error, MethodNotAllowed):
        return _method_not_allowed(error)
    if isinstance(error, RequestEntityTooLarge):
        return ServiceError("too_large", _bounds_of_bodies())
    if isinstance(error, ClientDisconnected):
        detail = "the body ended before it was as long as its Content-Length says"
        return ServiceError("bad_request", detail, hint="Send all of it again.")
    if status == HTTPStatus.NOT_FOUND:
        return ServiceError(
            "not_found", f"no resource has the address {request.path}", hint="See /docs for all addresses."
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _CODES:
        return ServiceError("internal_error", "the service met an error that it does not know")
    return ServiceError(_CODES.get(status, "bad_request"), error.description or HTTPStatus(status).phrase)


def _method_not_allowed(error: MethodNotAllowed) -> ServiceError:
    allowed = ", ".join(sorted(error.valid_methods or ()))
    detail = f"{request.path} does not know {request.method}, only {allowed}"
    return ServiceError("method_not_allowed", detail, headers={"Allow": allowed})


def _bounds_of_bodies() -> str:
    field = request.max_form_memory_size
    return (
        f"a body may have {request.max_content_length} bytes (setting max_body_bytes), a form's field {field}"
    )
