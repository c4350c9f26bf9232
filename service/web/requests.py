"""What every request and answer gets: an id, the Host and Origin check on loopback, protecting headers."""

import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, request
from structlog.contextvars import bind_contextvars, clear_contextvars

from service.addresses import is_loopback
from service.errors import ServiceError

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

PRODUCES = "produces"  # the attribute of a view that names its media types
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
ADDED_HEADERS = "gradhouse.headers"  # in the environ: a list of what else the answer is to say

# On every answer. Pages bring a policy of their own; what the API answers loads and runs nothing.
PROTECTING = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_POLICY = "Content-Security-Policy"
_API_POLICY = (
    _POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
)
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA")

_KEY = "gradhouse.request_id"  # in the environ, which costs a third of what flask.g does
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def install(app: Flask, *, bind_host: str, hosts: frozenset[str] = frozenset(), keyed: bool = True) -> None:
    """Checks every request of `app` and marks every answer with the request's id.

    `hosts` are the names under which the service is known; without any, loopback knows its own and other
    addresses take all. A service that asks for no key is nobody's behind a proxy.
    """
    known = hosts | LOOPBACK_HOSTS if hosts or is_loopback(bind_host) else frozenset()

    def before() -> None:
        environ = request.environ  # not through the proxies: this runs before every prediction
        clear_contextvars()  # of the request that this thread served before
        bind_contextvars(request_id=request_id())
        if known:
            check_host(environ.get("HTTP_HOST", ""), known)
        check_origin(environ, hosts)
        if not keyed:
            check_direct(environ)
        if "\0" in environ["PATH_INFO"] or "%00" in environ.get("QUERY_STRING", ""):
            raise ServiceError("bad_request", "an address may not hold the character NUL")
        check_accept(environ.get("HTTP_ACCEPT"))

    app.before_request(before)
    app.wsgi_app = _marking(app.wsgi_app)  # type: ignore[assignment, method-assign]  # Flask's advice


def _marking(answer: Application) -> Application:
    """The application with an id for each request, and our headers on whatever it answers."""

    def marked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        offered = environ.get("HTTP_X_REQUEST_ID", "")
        harmless = offered and _REQUEST_ID.fullmatch(offered)
        environ[_KEY] = identity = offered if harmless else f"req_{secrets.token_hex(12)}"

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            # Straight into the list: a header set on the Response object costs six times as much.
            headers += (("X-Request-ID", identity), *PROTECTING, *environ.get(ADDED_HEADERS, ()))
            if not any(name == _POLICY for name, _ in headers):
                headers.append(_API_POLICY)
            return start_response(status, headers, *exc_info)

        return answer(environ, start)

    return marked


def request_id() -> str:
    """This request's id: the client's own when it is harmless, else a new one."""
    known: str = request.environ.get(_KEY, "")
    return known


def check_host(host: str, known: frozenset[str] = LOOPBACK_HOSTS) -> None:
    """Raises ServiceError for a Host header under which the service is not known (DNS rebinding)."""
    if _name_of(host) not in known:
        raise ServiceError("foreign_host", f"the Host must be one of {', '.join(sorted(known))}")


def check_origin(environ: dict[str, Any], hosts: frozenset[str] = frozenset()) -> None:
    """Raises ServiceError for a request that a page of another origin has made (CSRF).

    Whatever its body: browsers send forms, and bodies without a Content-Type, to anybody without asking.
    """
    foreign = False
    if (origin := environ.get("HTTP_ORIGIN")) is not None:
        asking = _host_of(origin) or ""
        foreign = asking != environ.get("HTTP_HOST", "").lower() and _name_of(asking) not in hosts
    if foreign or environ.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        raise ServiceError("cross_origin", "a page of another origin may not use this service")


def check_direct(environ: dict[str, Any]) -> None:
    """Raises ServiceError for a request that a proxy has passed on: others may stand behind it."""
    if any(name in environ for name in _FORWARDED):
        raise ServiceError("behind_a_proxy", "the service asks for no key, and the request came by a proxy")


def _name_of(host: str) -> str:
    """The host without its port, in lower case."""
    return re.sub(r":[0-9]{0,5}$", "", host.lower())


def check_accept(accept: str | None) -> None:
    """Raises ServiceError when the client accepts nothing that the endpoint can answer with."""
    if not accept or "*/*" in accept:
        return
    produced = getattr(current_app.view_functions.get(request.endpoint or ""), PRODUCES, ())
    if produced and request.accept_mimetypes.best_match(produced) is None:
        raise ServiceError("not_acceptable", f"{request.path} is given as {' or '.join(produced)}")


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None where it names none ("null")."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
