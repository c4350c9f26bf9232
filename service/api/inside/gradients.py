"""Derivatives over HTTP: how much each raw input moves what a model answers."""

import orjson
from flask import Response
from marshmallow import fields

from engine.models.derivatives import derivatives
from engine.models.model import TrainedModel
from service.api.inside.choices import OUTPUT_MEMBERS, OutputSchema, output_of, require_size
from service.api.models import load_model
from service.api.parts import running
from service.api.predictions import read_instances, read_object, rows_body
from service.errors import invalid
from service.scopes import Scope
from service.web.bodies import JSON_MEDIA_TYPE, parse_json_fast, read_json, require_media_type
from service.web.contract import Blueprint
from service.web.schemas import Schema, StrictInt, load

_BY_INPUT = {
    "type": "object",
    "description": "By raw input. A category's is an object: the slope along each category's 0-or-1 input.",
    "additionalProperties": {"type": ["number", "object", "null"]},
}


class GradientOptions(OutputSchema):
    """What is derived, and how often."""

    order = StrictInt(minimum=1, maximum=2, load_default=1)


class GradientsSchema(Schema):
    """Derivatives of one output, row by row."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    outputs = fields.List(
        fields.Integer(), required=True, metadata={"description": "The output explained, for each row."}
    )
    scores = fields.List(
        fields.Float(),
        required=True,
        metadata={"description": "That output's score; in a regression the value in the target's own unit."},
    )
    gradients = fields.Raw(required=True, metadata={"type": "array", "items": _BY_INPUT})
    hessians = fields.Raw(
        metadata={
            "type": "array",
            "items": {"type": "object", "additionalProperties": _BY_INPUT},
            "description": "Second derivatives, with order 2.",
        }
    )


blueprint = Blueprint("gradients", "The exact derivatives of answers by raw inputs.")

_ORDER = {"type": "integer", "enum": [1, 2], "description": "2 adds the second derivatives."}


@blueprint.post("/models/<model>/gradients", scope=Scope.READ)
@blueprint.documented(requestBody=rows_body(**OUTPUT_MEMBERS, order=_ORDER))
@blueprint.answer(200, GradientsSchema())
def create_gradients(model: str) -> Response:
    """Derive a model's answers by its raw inputs, scaling included."""
    require_media_type(JSON_MEDIA_TYPE)
    loaded = load_model(model)
    document = read_object(parse_json_fast(read_json()))
    names = tuple(GradientOptions().fields)
    options, problems = load(
        GradientOptions(), {name: document.pop(name) for name in names if name in document}
    )
    if problems:
        raise invalid(problems)
    instances = read_instances(document, options=names)
    _check_size(loaded.trained, len(instances), options["order"])
    found = derivatives(loaded.trained, instances, output_of(loaded.trained, options), options["order"])
    answer = {"model_id": loaded.id, "version": loaded.version, "outputs": found.outputs}
    answer |= {"scores": found.values, "gradients": found.gradients}
    if found.hessians is not None:
        answer["hessians"] = found.hessians
    return Response(orjson.dumps(answer), mimetype=JSON_MEDIA_TYPE)


def _check_size(model: TrainedModel, rows: int, order: int) -> None:
    remedy = "ask for fewer rows at once" if order == 1 else "ask for fewer rows at once, or for order 1"
    size, most = rows * model.encoding.width**order, running().settings.max_derivatives
    require_size(size, most, "derivatives", "max_derivatives", remedy)
