"""Models over HTTP: what was trained, from what, how well, what they are called, and their parameters."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import orjson
from flask import Response, jsonify
from marshmallow import fields

from engine.errors import Problem
from service.api.loaded_models import Loaded
from service.api.orders import MODEL_NAME, metadata_problems, name_problems
from service.api.parts import missing, owner, running
from service.errors import ServiceError, invalid
from service.tables import jobs, models
from service.tables.base import Transaction
from service.tables.jobs import Status
from service.tables.models import Model, Wanted
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, page_response, page_schema
from service.web.schemas import Answer, Moment, Object, QueryFloat, Schema, Text, shown

SPLITS = {"train": "train", "val": "validation"}
METRICS = tuple(
    f"{split}_{metric}" for split in SPLITS for metric in ("loss", "accuracy", "r2", "mae", "rmse")
)
RETRY_SECONDS = "2"

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

    name = Text()
    dataset_id = Text()
    metric = Text(choices=METRICS, metadata={"description": "Only models that were measured so."})
    least = QueryFloat(metadata={"description": "The metric's lower bound."})
    most = QueryFloat(metadata={"description": "The metric's upper bound."})


class ModelChange(Schema):
    """What of a model may change."""

    name = Text(most=100, metadata={"pattern": MODEL_NAME})
    notes = fields.Raw(
        allow_none=True, metadata={"type": "string", "maxLength": 10_000, "description": "Yours."}
    )
    metadata = Object(allow_none=True, metadata={"description": "Yours; only kept."})


class ModelSchema(Answer):
    """A trained model."""

    id = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True)
    aliases = fields.List(fields.String(), required=True)
    job_id = fields.String(required=True, allow_none=True)
    dataset_id = fields.String(required=True, allow_none=True)
    dataset_sha256 = fields.String(required=True, allow_none=True)
    sha256 = fields.String(required=True, metadata={"description": "Of the parameters alone."})
    spec_sha256 = fields.Function(
        lambda model: spec_digest(model.spec),
        required=True,
        metadata={"type": "string", "description": "Of the spec as JSON with sorted keys."},
    )
    engine_version = fields.String(required=True, allow_none=True)
    parameter_count = fields.Integer(required=True)
    spec = fields.Raw(required=True, metadata={"type": "object"})
    metrics = fields.Raw(required=True, metadata={"type": "object"})
    inputs = fields.Raw(required=True, metadata={"type": "array", "items": _INPUT})
    classes = fields.Raw(required=True, metadata={"type": ["array", "null"], "items": {}})
    notes = fields.String(required=True, allow_none=True)
    metadata = fields.Raw(required=True, attribute="metadata_", metadata={"type": ["object", "null"]})
    created_at = Moment(required=True)


_LISTED = ModelSchema(many=True, exclude=["aliases"])


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
        page = models.page(db, owner(), limit=query["limit"], after=query.get("after"), wanted=_wanted(query))
        items = documents(db, page.items)
    return page_response(items, page.next)


@blueprint.get("/models/<model>")
@tagged
@blueprint.answer(200, ModelSchema())
def read_model(model: str) -> Response:
    """Read one model, by id, name, name@version or name@alias."""
    with running().database.reading() as db:
        return jsonify(documents(db, [find_model(db, model)])[0])


@blueprint.get("/models/<model>/parameters")
@tagged
@blueprint.answer(200, ParametersSchema())
def read_model_parameters(model: str) -> Response:
    """Read a model's weights and biases, layer by layer."""
    return jsonify({"layers": load_model(model).trained.layers_document()})


@blueprint.patch("/models/<model>")
@blueprint.documented(
    requestBody={"content": {JSON_MEDIA_TYPE: {"schema": {"allOf": [ModelChange(), {"minProperties": 1}]}}}}
)
@blueprint.body(ModelChange())
@blueprint.answer(200, ModelSchema())
def change_model(change: dict[str, Any], model: str) -> Response:
    """Change notes, metadata or the name, as whose next version it then counts; all else never changes."""
    if problems := _problems_of_change(change):
        raise invalid(problems)
    if "metadata" in change:
        change["metadata_"] = change.pop("metadata")
    with running().database.session() as db:
        changed = models.change(db, owner(), model, **change)
        if changed is None:
            raise missing("model", model)
        document = documents(db, [changed])[0]
    running().models.forget(changed.id)
    return jsonify(document)


@blueprint.delete("/models/<model>")
@blueprint.answer(204)
def delete_model(model: str) -> Response:
    """Delete a model; it answers no more."""
    with running().database.session() as db:
        found = find_model(db, model)
        models.remove(db, owner(), found.id)
    running().models.forget(found.id)
    return Response(status=204)


def documents(db: Transaction, found: Sequence[Model]) -> list[dict[str, Any]]:
    """The models as JSON shows them."""
    aliases = models.aliases(db, [model.id for model in found])
    listed = _LISTED.dump(found)
    return [{**document, "aliases": aliases.get(document["id"], [])} for document in listed]


def spec_digest(spec: Mapping[str, Any]) -> str:
    """The SHA-256 of a spec as JSON with sorted keys: equal specs, equal digests."""
    return sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()


def find_model(db: Transaction, reference: str) -> Model:
    """The owner's model; raises ServiceError where there is none."""
    model = models.find(db, owner(), reference)
    if model is None:
        raise missing("model", reference)
    return model


def load_model(reference: str) -> Loaded:
    """The owner's model, ready to predict; raises ServiceError where there is none, or none yet."""
    loaded = running().models.find(owner(), reference)
    if loaded is None:
        raise _absent(reference)
    return loaded


def _absent(reference: str) -> ServiceError:
    """Why there is no such model: it may be on its way."""
    with running().database.reading() as db:
        for status in (Status.QUEUED, Status.RUNNING):
            for job in jobs.page(db, owner(), limit=1, name=reference, status=status).items:
                detail = f"the model {reference} is still being trained by job {job.id}"
                return ServiceError("model_not_ready", detail, headers={"Retry-After": RETRY_SECONDS})
    return missing("model", reference)


def _wanted(query: Mapping[str, Any]) -> Wanted:
    metric = None
    if "metric" in query:
        split, _, name = query["metric"].partition("_")
        metric = (SPLITS[split], name)
    elif "least" in query or "most" in query:
        detail = "least and most bound a metric, and none is named"
        raise invalid([Problem("/metric", "missing_field", detail, "Add metric=val_accuracy, for one.")])
    return Wanted(query.get("name"), query.get("dataset_id"), metric, query.get("least"), query.get("most"))


def _problems_of_change(change: Mapping[str, Any]) -> list[Problem]:
    problems = [] if change else [Problem("", "missing_field", "give at least one of name, notes, metadata")]
    problems += name_problems(change.get("name"), "/name")
    problems += metadata_problems(change.get("metadata"))
    notes = change.get("notes")
    if notes is not None and not (isinstance(notes, str) and len(notes) <= 10_000 and "\0" not in notes):
        detail = f"notes must be text of at most 10000 characters, got {shown(notes)}"
        problems.append(Problem("/notes", "wrong_type", detail))
    return problems
