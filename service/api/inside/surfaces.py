"""Decision surfaces over HTTP: what a model answers over two of its inputs, as numbers or as a picture."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from marshmallow import fields

from engine.errors import BadData, Problem
from engine.inside.plot import draw_surface
from engine.inside.surface import Surface, make_axis, points_on, surface
from engine.models.instances import instance_from_text
from engine.models.model import TrainedModel
from service.api.inside.choices import query_parameters
from service.api.inside.graphs import SVG_MEDIA_TYPE, document_answer
from service.api.inside.training_data import table_of
from service.api.models import load_model
from service.api.predictions import row_of_query
from service.errors import invalid
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.schemas import QueryFloat, QueryInt, Schema, Text, load

MAX_RESOLUTION = 200
MAX_POINTS = 1_000
HOLD = "hold."

_SIDE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "values": {"type": "array", "items": {"type": "number"}},
    },
}
_HELD_QUERY = {
    "in": "query",
    "name": "hold",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "The other inputs: ?hold.x3=0.7; one that is not named keeps its usual value.",
}


class SurfaceQuery(Schema):
    """Which plane."""

    x = Text(metadata={"description": "The input along x; default the first number."})
    y = Text(metadata={"description": "The input along y; default the next number."})
    resolution = QueryInt(minimum=2, maximum=MAX_RESOLUTION, load_default=60)
    x_min, x_max = QueryFloat(), QueryFloat()
    y_min, y_max = QueryFloat(), QueryFloat()
    format = Text(choices=("json", "svg"), load_default="json")


class SurfaceSchema(Schema):
    """Scores over a plane; with classes the predicted ones too."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    x = fields.Raw(required=True, metadata=_SIDE)
    y = fields.Raw(required=True, metadata=_SIDE)
    held = fields.Raw(required=True, metadata={"type": "object"})
    classes = fields.Raw(required=True, metadata={"type": ["array", "null"], "items": {}})
    scores = fields.Raw(
        required=True,
        metadata={
            "type": "array",
            "items": {"type": "array"},
            "description": "[output][row by y][column by x]; in a regression values in the target's unit.",
        },
    )
    labels = fields.Raw(
        required=True,
        metadata={"type": ["array", "null"], "description": "[row by y][column by x]: index into classes."},
    )
    points = fields.Raw(
        required=True,
        metadata={
            "type": ["object", "null"],
            "description": "Rows of the dataset as columns x, y, target; null where it is gone.",
        },
    )


blueprint = Blueprint("surfaces", "What a model answers over two of its inputs.")


@blueprint.get("/models/<model>/surface", produces=(JSON_MEDIA_TYPE, SVG_MEDIA_TYPE))
@tagged
@blueprint.documented(parameters=[*query_parameters(SurfaceQuery()), _HELD_QUERY])
@blueprint.also(200, content_type=SVG_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, SurfaceSchema())
def read_surface(model: str) -> Response:
    """Show a model's answers over a plane of two inputs, with the data it was trained on."""
    loaded = load_model(model)
    texts = row_of_query()
    held = {name[len(HOLD) :]: text for name, text in texts.items() if name.startswith(HOLD)}
    query, problems = load(
        SurfaceQuery(), {name: text for name, text in texts.items() if not name.startswith(HOLD)}
    )
    if problems:
        raise invalid(problems)
    plane = _plane(loaded.trained, query, held)
    table = table_of(loaded.id)
    points = None if table is None else points_on(plane, loaded.trained, table, MAX_POINTS)
    if query["format"] == "svg":
        return Response(draw_surface(plane, points), mimetype=SVG_MEDIA_TYPE)
    return document_answer(loaded, {**plane.to_document(), "points": points})


def _plane(model: TrainedModel, query: Mapping[str, Any], held: Mapping[str, str]) -> Surface:
    x, y = _sides(model, query)
    count = query["resolution"]
    axes = [
        make_axis(model, side, name, (query.get(f"{side}_min"), query.get(f"{side}_max")), count)
        for side, name in (("x", x), ("y", y))
    ]
    return surface(model, axes[0], axes[1], _held_values(model, held))


def _sides(model: TrainedModel, query: Mapping[str, Any]) -> tuple[str, str]:
    """The inputs along x and y; by default the first two numbers."""
    named = [query[side] for side in ("x", "y") if side in query]
    free = [each.name for each in model.inputs if each.type == "number" and each.name not in named]
    x = query.get("x") or (free.pop(0) if free else "")
    y = query.get("y") or (free.pop(0) if free else "")
    if not (x and y):
        detail = "a surface needs two inputs that are numbers"
        raise BadData.because(
            detail, pointer="/y", code="missing_field", hint="Name other inputs, or use graph."
        )
    return x, y


def _held_values(model: TrainedModel, held: Mapping[str, str]) -> dict[str, Any]:
    """The texts as values; raises BadData with pointers that name the query's own words."""
    known = {each.name: each for each in model.inputs}
    try:
        part = tuple(known[name] for name in held if name in known)
        texts = {name: text for name, text in held.items() if name in known}
        return {**held, **instance_from_text(part, texts)}
    except BadData as error:
        raise BadData(
            Problem(f"/{HOLD}{each.pointer[1:]}", each.code, each.detail, each.hint)
            for each in error.problems
        ) from None
