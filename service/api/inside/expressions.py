"""The sandbox over HTTP: an expression of one's own, forward and backward, every node shown."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response
from marshmallow import fields

from engine.inside.graphs.sandbox import MOST_CHARACTERS, MOST_VARIABLES, evaluate
from engine.inside.graphs.trace import trace
from service.api.inside.graphs import (
    DOT_MEDIA_TYPE,
    FORMATS,
    NODES,
    SVG_MEDIA_TYPE,
    chosen_format,
    drawn,
)
from service.scopes import Scope
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.contract import Blueprint
from service.web.schemas import Object, Schema, Text

_VALUES = {
    "additionalProperties": {"type": "number"},
    "maxProperties": MOST_VARIABLES,
    "description": "A number for each variable.",
}


class ExpressionBody(Schema):
    """An expression, and numbers for its variables."""

    expression = Text(required=True, most=MOST_CHARACTERS, metadata={"example": "(a*b + c).tanh()"})
    values = Object(load_default=dict, metadata=_VALUES)
    format = Text(choices=tuple(FORMATS))


class ExpressionSchema(Schema):
    """Every node of an expression after backward, and the steps there."""

    expression = fields.String(required=True)
    value = fields.Float(required=True)
    root = fields.Integer(required=True, metadata={"description": "The id of the node that is the result."})
    nodes = fields.Raw(required=True, metadata=NODES)
    steps = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})


blueprint = Blueprint("expressions", "The sandbox: any expression, forward and backward.")


@blueprint.post("/expressions", produces=tuple(FORMATS.values()), scope=Scope.READ)
@blueprint.body(ExpressionBody())
@blueprint.also(200, content_type=DOT_MEDIA_TYPE, schema={"type": "string"})
@blueprint.also(200, content_type=SVG_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, ExpressionSchema())
def create_expression(body: Mapping[str, Any]) -> Response:
    """Evaluate an expression of named numbers and derive it by each of them; nothing is stored."""
    found = evaluate(body["expression"], body["values"])
    form = chosen_format(body)
    if form != "json" or found.root is None:
        return drawn(found, form)
    document = {"expression": body["expression"], **trace(found.root).to_document()}
    return Response(orjson.dumps(document), mimetype=JSON_MEDIA_TYPE)
