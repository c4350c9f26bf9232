"""Lists in pages: the query that asks for one, the envelope, the link to the next."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request
from marshmallow import fields

from service.web.schemas import Answer, QueryInt, Schema, Text

MAX_LIMIT = 1000
DEFAULT_LIMIT = 50
MAX_ROW = 2_000_000_000  # the databases count rows and epochs in 32 bits

_LIMIT = {"description": "Most items of the page."}
_AFTER = {"description": "`next` of the page before."}


class PageQuery(Schema):
    """What every list understands."""

    limit = QueryInt(
        minimum=1,
        maximum=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata=_LIMIT,
    )
    after = Text(metadata=_AFTER)


class RowQuery(Schema):
    """What a list understands whose items are numbered: histories and rows."""

    limit = QueryInt(
        minimum=1,
        maximum=MAX_LIMIT,
        load_default=MAX_LIMIT,
        metadata=_LIMIT,
    )
    after = QueryInt(minimum=0, maximum=MAX_ROW, load_default=0, metadata=_AFTER)


def page_schema(item: Schema) -> Schema:
    """The schema of the envelope around `item`s."""
    members = {
        "data": fields.List(fields.Nested(item), required=True),
        "has_more": fields.Boolean(required=True),
        "next": fields.Raw(required=True, metadata={"type": ["string", "integer", "null"]}),
    }
    name = type(item).__name__.removesuffix("Schema") + "Page"
    page: Schema = type(name, (Answer,), members)()
    return page


def page_response(data: Sequence[Any], following: str | int | None) -> Response:
    """The envelope around the items, with the link to the next page."""
    response = jsonify({"data": data, "has_more": following is not None, "next": following})
    if following is not None:
        query = {**request.args.to_dict(), "after": str(following)}
        response.headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return response
