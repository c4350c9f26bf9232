"""The WSGI application: Flask without what no endpoint of ours needs and every request would pay for."""

import sys
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

from flask import Flask
from flask import request as current_request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.wrappers import Request, Response
from werkzeug.routing import MapAdapter
from werkzeug.utils import cached_property

from service.web.turns import Turns

# Addresses known by heart, a kilobyte each: the few that are asked again and again. Paths are strangers' to
# choose, and those of jobs come and go.
REMEMBERED, REMEMBERED_CHARACTERS = 512, 256


_WITH_BODY = frozenset({200, 201, 202})


class _Answer(Response):
    """A response whose body, mostly one piece of bytes, reaches the server as just that."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answers as Werkzeug does, but for plain ones: the server sends a list in one go, and quicker."""
        pieces, headers = self.response, self.headers
        plain = type(pieces) is list and self._status_code in _WITH_BODY and not self._on_close
        sized = "Content-Length" in headers and environ["REQUEST_METHOD"] != "HEAD"
        if not plain or not sized or not headers.get("Location", "").isascii():
            return super().__call__(environ, start_response)
        start_response(self._status, headers.to_wsgi_list())
        return cast("list[bytes]", pieces)


class _Asked(Request):
    """A request whose body must be as long as it says, else reading it raises ClientDisconnected.

    A server that ends bodies itself may end them, too, where the client hung up: Granian does, in silence.
    """

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, to be read once."""
        if self.content_length is not None:
            self.environ.pop("wsgi.input_terminated", None)  # then Werkzeug counts
        return super().stream


class Application(Flask):
    """Serves the service's endpoints: plain functions, found by method and path alone, without sessions."""

    request_class, response_class = _Asked, _Answer

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self.session_interface = _NoSessions()
        self.found: dict[tuple[str, str], Any] = {}  # by method and path
        self.turns = Turns(sys.maxsize)

    def full_dispatch_request(self, *context: Any) -> Any:
        """Answers as Flask does, in turns: threads are in one another's way.

        A stream, whose pieces the server asks for only afterwards, holds a thread and no turn. Most of those
        who wait for a body hold none either: see service.web.admission.
        """
        self.turns.enter(current_request.endpoint)
        try:
            return super().full_dispatch_request(*context)  # of Flask 3.2 and later
        finally:
            self.turns.leave()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is: Flask would ask each hook and view, each time, if it is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Finds the endpoint of a request: by heart where the same was asked before, else as Flask does."""
        if request is None:
            return super().create_url_adapter(None)
        return _Finder(self, request, lambda: super(Application, self).create_url_adapter(request))


class _Finder(MapAdapter):
    """Finds the endpoint of one request; no rule of ours looks at the Host."""

    def __init__(self, app: Application, request: Request, flasks_own: Callable[[], Any]) -> None:
        environ = request.environ
        method, scheme = environ["REQUEST_METHOD"], environ["wsgi.url_scheme"]
        super().__init__(app.url_map, environ["SERVER_NAME"], "/", "", scheme, request.path, method)
        self._found, self._flasks_own = app.found, flasks_own

    def match(self, *args: Any, **options: Any) -> Any:
        """The rule and the values in the path, as Flask asks for them; raises what MapAdapter raises."""
        if args or options != {"return_rule": True}:  # which other methods there are
            return self._flasks_own().match(*args, **options)
        address = self.default_method, self.path_info
        known = self._found.get(address)
        if known is None:
            known = self._flasks_own().match(return_rule=True)
            if len(self.path_info) <= REMEMBERED_CHARACTERS:
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[address] = known
        rule, values = known
        return rule, dict(values)


class _NoSessions(SessionInterface):
    """Nobody has a session: keys say whose a request is."""

    def __init__(self) -> None:
        self._none = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - the hook's signature
        """The one session that holds nothing and refuses to be written."""
        return self._none

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to keep."""
