"""What may be asked for: every name and knob of the training spec, the samples, the file formats."""

from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from engine.data.reading.formats import MEDIA_TYPES
from engine.data.samples import describe_samples
from engine.spec import describe_options
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import page_response
from service.web.schemas import Answer

_OBJECT = {"type": "object"}
_OBJECTS = {"type": "array", "items": _OBJECT}


class OptionsSchema(Answer):
    """Every name and knob of the training spec."""

    tasks = fields.List(fields.String(), required=True)
    activations = fields.Raw(required=True, metadata=_OBJECTS)
    losses = fields.Raw(required=True, metadata=_OBJECTS)
    optimizers = fields.Raw(required=True, metadata=_OBJECTS)
    schedules = fields.Raw(required=True, metadata=_OBJECTS)
    init_schemes = fields.Raw(required=True, metadata=_OBJECTS)
    knobs = fields.Raw(required=True, metadata=_OBJECTS)
    media_types = fields.List(fields.String(), required=True)


class SamplesPage(Answer):
    """The bundled samples."""

    data = fields.Raw(required=True, metadata=_OBJECTS)
    has_more = fields.Boolean(required=True)
    next = fields.String(required=True, allow_none=True)


blueprint = Blueprint("options", "What a job and a dataset may ask for.")


@blueprint.get("/options")
@tagged
@blueprint.answer(200, OptionsSchema())
def read_options() -> Response:
    """Every name and knob of the training spec with type, default, bounds and help."""
    options: dict[str, Any] = describe_options()
    return jsonify({**options, "media_types": list(MEDIA_TYPES)})


@blueprint.get("/samples")
@tagged
@blueprint.answer(200, SamplesPage())
def list_samples() -> Response:
    """The bundled samples and their options."""
    return page_response(describe_samples(), None)
