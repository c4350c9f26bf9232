"""Models over HTTP: what was trained, from what, how well, and its parameters."""

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from service.api.loaded_models import Loaded
from service.api.orders import name_problems
from service.api.parts import missing, owner, running
from service.errors import invalid
from service.tables import models
from service.tables.models import Model
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, page_response, page_schema
from service.web.schemas import Answer, Moment, Schema, Text

_INPUT = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "type": {"type": "string", "enum": ["number", "category", "boolean"]},
        "categories": {"type": ["array", "null"], "items": {}},
    },
}
_LAYER = {
    "type": "object",
    "required": ["weights", "biases", "activation"],
    "properties": {
        "weights": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "biases": {"type": "array", "items": {"type": "number"}},
        "activation": {"type": "string"},
    },
}


class ModelQuery(PageQuery):
    """Which models to list."""

    name = Text(load_default=None)


class ModelChange(Schema):
    """What of a model may change."""

    name = Text(required=True, most=100)


class ModelSchema(Answer):
    """A trained model."""

    id = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True)
    job_id = fields.String(required=True)
    dataset_id = fields.String(required=True)
    dataset_sha256 = fields.String(required=True)
    sha256 = fields.String(required=True, metadata={"description": "Of the parameters alone."})
    parameter_count = fields.Integer(required=True)
    spec = fields.Raw(required=True, metadata={"type": "object"})
    metrics = fields.Raw(required=True, metadata={"type": "object"})
    inputs = fields.Raw(required=True, metadata={"type": "array", "items": _INPUT})
    classes = fields.Raw(required=True, metadata={"type": ["array", "null"], "items": {}})
    created_at = Moment(required=True)


class ParametersSchema(Answer):
    """A model's parameters; weights are [units][inputs]."""

    layers = fields.Raw(required=True, metadata={"type": "array", "items": _LAYER})


blueprint = Blueprint("models", "What trainings have made.")


@blueprint.get("/models")
@blueprint.query(ModelQuery())
@blueprint.answer(200, page_schema(ModelSchema()))
def list_models(query: Mapping[str, Any]) -> Response:
    """List the models, newest first."""
    with running().database.reading() as db:
        page = models.page(db, owner(), **query)
    return page_response(ModelSchema(many=True).dump(page.items), page.next)


@blueprint.get("/models/<model>")
@tagged
@blueprint.answer(200, ModelSchema())
def read_model(model: str) -> Model:
    """Read one model, by id, name or name@version."""
    with running().database.reading() as db:
        found = models.find(db, owner(), model)
    if found is None:
        raise missing("model", model)
    return found


@blueprint.get("/models/<model>/parameters")
@tagged
@blueprint.answer(200, ParametersSchema())
def read_model_parameters(model: str) -> Response:
    """Read a model's weights and biases, layer by layer."""
    return jsonify({"layers": load_model(model).trained.layers_document()})


@blueprint.patch("/models/<model>")
@blueprint.body(ModelChange())
@blueprint.answer(200, ModelSchema())
def rename_model(change: Mapping[str, str], model: str) -> Model:
    """Give a model another name, as that name's next version; all else of it never changes."""
    if problems := name_problems(change["name"], "/name"):
        raise invalid(problems)
    with running().database.session() as db:
        renamed = models.rename(db, owner(), model, change["name"])
    if renamed is None:
        raise missing("model", model)
    running().models.forget(renamed.id)
    return renamed


@blueprint.delete("/models/<model>")
@blueprint.answer(204)
def delete_model(model: str) -> Response:
    """Delete a model; it answers no more."""
    with running().database.session() as db:
        found = models.find(db, owner(), model)
        if found is None or not models.remove(db, owner(), found.id):
            raise missing("model", model)
    running().models.forget(found.id)
    return Response(status=204)


def load_model(reference: str) -> Loaded:
    """The owner's model, ready to predict; raises ServiceError where there is none."""
    loaded = running().models.find(owner(), reference)
    if loaded is None:
        raise missing("model", reference)
    return loaded
