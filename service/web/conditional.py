"""ETags on single resources, and 304 for the client that already has the answer."""

from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from typing import ParamSpec

from flask import Response, make_response, request

P = ParamSpec("P")


def tagged(view: Callable[P, object]) -> Callable[P, Response]:
    """The view with an ETag on its 200 answers: the hash of the body, so that no two contents share one."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Response:
        response = make_response(view(*args, **kwargs))
        return with_etag(response) if response.status_code == 200 else response

    described = vars(wrapper)  # where flask-smorest keeps what its decorators say
    described["_apidoc"] = {**described.get("_apidoc", {}), "tagged": True}
    return wrapper


def with_etag(response: Response) -> Response:
    """The answer with its ETag, or 304 without a body when the request names that ETag."""
    response.set_etag(blake2b(response.get_data(), digest_size=16).hexdigest())
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private, no-cache"
    if is_known(response.get_etag()[0]):
        response.status_code = 304
        response.set_data(b"")
        for name in ("Content-Type", "Content-Length"):
            response.headers.pop(name, None)
    return response


def is_known(etag: str | None) -> bool:
    """Says whether If-None-Match names this ETag, weakly compared as RFC 9110 §13.1.2 wants it."""
    return etag is not None and request.if_none_match.contains_weak(etag)
