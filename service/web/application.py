"""The WSGI application: Flask without what no endpoint of ours needs and every request would pay for."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.wrappers import Request, Response
from werkzeug.routing import MapAdapter

REMEMBERED, REMEMBERED_CHARACTERS = (
    4_096,
    256,
)  # addresses known by heart: their paths are strangers' to choose


class Application(Flask):
    """Serves the service's endpoints: plain functions, found by method and path alone, without sessions."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self.session_interface = _NoSessions()
        self.found: dict[tuple[str, str], Any] = {}  # by method and path

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
