"""Blueprints whose decorators are the contract: flask-smorest with our bodies, our problems and types."""

from collections.abc import Callable
from typing import Any, NoReturn, Protocol, TypeVar, cast, get_type_hints

import flask_smorest
import marshmallow
from flask import Flask, Response
from webargs.flaskparser import FlaskParser
from werkzeug.routing import BaseConverter

from service.errors import invalid
from service.scopes import REQUIRES, Scope
from service.web import openapi
from service.web.bodies import JSON_MEDIA_TYPE, json_body
from service.web.requests import PRODUCES
from service.web.schemas import Schema, problems_of

JSON_ONLY = (JSON_MEDIA_TYPE,)

View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Wraps an endpoint; callers see it unchanged, the router sees what the wrapper does."""

    def __call__(self, view: View, /) -> View:
        """The wrapped endpoint."""


class Colonless(BaseConverter):
    """A part of a path without a colon: what comes after one names an action."""

    regex = "[^/:]+"


class _Parser(FlaskParser):
    """Reads bodies our way and refuses what the schema does not name, in queries too."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": marshmallow.RAISE, "query": marshmallow.RAISE}  # noqa: RUF012 - webargs' name

    def load_json(self, req: Any, schema: Any) -> Any:  # noqa: ARG002 - the hook's signature
        return json_body()

    def handle_error(self, error: marshmallow.ValidationError, *args: Any, **options: Any) -> NoReturn:  # noqa: ARG002 - the hook's signature
        (messages,) = error.messages_dict.values()  # webargs puts the location around them
        raise invalid(problems_of(messages)) from None


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """One resource's endpoints. The function's name is its operation id."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, name: str, description: str, prefix: str = "/api/v1") -> None:
        super().__init__(name, __name__, url_prefix=prefix, description=description)
        self._prepare_doc_cbks.append(openapi.describe_operation)

    def get(
        self, rule: str, *, produces: tuple[str, ...] = JSON_ONLY, scope: Scope = Scope.READ
    ) -> Decorator:
        """An endpoint that reads, and the media types it can answer with."""
        return self._endpoint("GET", rule, produces, scope)

    def post(
        self, rule: str, *, produces: tuple[str, ...] = JSON_ONLY, scope: Scope = Scope.WRITE
    ) -> Decorator:
        """An endpoint that creates or acts, and the media types it can answer with.

        One that changes nothing and only needs a body for its question has the scope READ.
        """
        return self._endpoint("POST", rule, produces, scope)

    def patch(self, rule: str) -> Decorator:
        """An endpoint that changes a part."""
        return self._endpoint("PATCH", rule, JSON_ONLY, Scope.WRITE)

    def put(self, rule: str) -> Decorator:
        """An endpoint that makes something what the body says."""
        return self._endpoint("PUT", rule, JSON_ONLY, Scope.WRITE)

    def delete(self, rule: str) -> Decorator:
        """An endpoint that removes, and answers with nothing."""
        return self._endpoint("DELETE", rule, (), Scope.WRITE)

    def _endpoint(self, method: str, rule: str, produces: tuple[str, ...], scope: Scope) -> Decorator:
        def decorate(view: View) -> View:
            vars(view)[PRODUCES], vars(view)[REQUIRES] = produces, scope
            described = vars(view).setdefault("_apidoc", {})  # where flask-smorest keeps what decorators say
            described["scope"] = scope
            described["manual_doc"] = {"operationId": view.__name__, **described.get("manual_doc", {})}
            self.add_url_rule(rule, view_func=view, methods=[method])
            return view

        return decorate

    def query(self, schema: Schema) -> Decorator:
        """Gives the endpoint its query, read by `schema`."""
        return self._typed(self.arguments(schema, location="query"))

    def body(self, schema: Schema) -> Decorator:
        """Gives the endpoint its JSON body, read by `schema`."""
        return self._typed(self.arguments(schema))

    def answer(self, status: int, schema: Schema | None = None, **options: Any) -> Decorator:
        """What the endpoint answers when all is well; `schema` writes it, unless it answers a Response."""
        written = self.response(status, schema, **options)

        def decorate(view: View) -> View:
            wrapped = written(view)
            if get_type_hints(view).get("return") is not Response:
                return cast("View", wrapped)
            vars(view)["_apidoc"] = vars(wrapped)["_apidoc"]  # there is nothing to write: only described
            return view

        return decorate

    def also(self, status: int, **options: Any) -> Decorator:
        """Another answer of an endpoint that writes its Response itself."""
        return self._typed(self.alt_response(status, success=True, **options))

    def refuses(self, *statuses: int) -> Decorator:
        """The errors of an endpoint beside those that every one has."""

        def decorate(view: View) -> View:
            vars(view).setdefault("_apidoc", {})["refuses"] = statuses
            return view

        return decorate

    def documented(self, **members: Any) -> Decorator:
        """Members of the operation in the OpenAPI document that no schema can say."""
        return self._typed(self.doc(**members))

    @staticmethod
    def _typed(decorator: Any) -> Decorator:
        typed: Decorator = decorator
        return typed


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """Collects the blueprints and their description; errors are web/problems' alone."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, version: str, *, keyed: bool = False) -> None:
        self._keyed = keyed
        app.config.update(API_TITLE="gradhouse", API_VERSION=version, OPENAPI_VERSION="3.1.0")
        app.url_map.converters["colonless"] = Colonless
        super().__init__(app)

    def _register_error_handlers(self) -> None:
        """Nothing: the library's own error is no problem document."""

    def _register_responses(self) -> None:
        """Nothing: web/openapi describes the errors."""

    def _register_pagination_header(self) -> None:
        """Nothing: pages have an envelope."""

    def document(self) -> dict[str, Any]:
        """The OpenAPI document of every blueprint registered so far."""
        return openapi.finish(self.spec.to_dict(), keyed=self._keyed)
