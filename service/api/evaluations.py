"""Evaluations over HTTP: a model judged on a dataset, metrics by scikit-learn's definitions."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response
from marshmallow import fields

from engine.data.table import Table
from engine.models.evaluation import WORST_ROWS, evaluate
from service.api.models import load_model
from service.api.orders import require_ready, unknown_dataset
from service.api.parts import owner, running
from service.errors import invalid
from service.scopes import Scope
from service.tables import datasets
from service.tables.datasets import Dataset
from service.web.bodies import JSON_MEDIA_TYPE, json_body, require_media_type
from service.web.contract import Blueprint
from service.web.schemas import Answer, Schema, StrictInt, Text, load

_METRICS = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
_CURVES = {"type": ["object", "null"], "additionalProperties": {"type": "array", "items": {"type": "object"}}}
_LIST = {"type": "array", "items": {"type": "object"}}


class EvaluationBody(Schema):
    """What a model is judged on."""

    dataset_id = Text(required=True, most=40)
    worst_rows = StrictInt(minimum=0, maximum=1_000, load_default=WORST_ROWS)


class EvaluationSchema(Answer):
    """How good a model is on a dataset."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    dataset_id = fields.String(required=True)
    row_count = fields.Integer(required=True)
    metrics = fields.Raw(
        required=True, metadata={**_METRICS, "description": "By scikit-learn's definitions, and the loss."}
    )
    classes = fields.Raw(metadata={**_LIST, "description": "Precision, recall, f1, support of each."})
    confusion_matrix = fields.Raw(
        metadata={
            "type": "array",
            "items": {"type": "array", "items": {"type": "integer"}},
            "description": "A line for each actual class, a column for each predicted one, in class order.",
        }
    )
    roc = fields.Raw(metadata={**_CURVES, "description": "By class: fpr, tpr, threshold (null: above all)."})
    calibration = fields.Raw(
        metadata={**_CURVES, "description": "By class and bin: predicted and actual share, rows."}
    )
    residuals = fields.Raw(metadata={"type": "object", "description": "Regression: actual less predicted."})
    worst_rows = fields.Raw(
        required=True, metadata={**_LIST, "description": "The rows with the greatest loss; from 0."}
    )


blueprint = Blueprint("evaluations", "How good models are.")
_REQUEST_BODY = {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": EvaluationBody()}}}


@blueprint.post("/models/<model>/evaluations", scope=Scope.READ)
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.answer(200, EvaluationSchema())
def create_evaluation(model: str) -> Response:
    """Judge a model on a dataset that has its columns and the target."""
    require_media_type(JSON_MEDIA_TYPE)
    loaded = load_model(model)
    body = _body()
    dataset = named_dataset(body["dataset_id"])
    table = Table.from_parquet(running().storage.read(dataset.sha256))
    judged = evaluate(loaded.trained, table, body["worst_rows"])
    facts = {"model_id": loaded.id, "version": loaded.version, "dataset_id": dataset.id}
    return Response(orjson.dumps({**facts, **judged}), mimetype=JSON_MEDIA_TYPE)


def _body() -> Mapping[str, Any]:
    body, problems = load(EvaluationBody(), json_body())
    if problems:
        raise invalid(problems)
    return body


def named_dataset(dataset_id: str) -> Dataset:
    """The owner's dataset that a body names, ready to be read; raises ServiceError."""
    with running().database.reading() as db:
        dataset = datasets.find(db, owner(), dataset_id)
    if dataset is None:
        raise invalid([unknown_dataset(dataset_id)])
    require_ready(dataset)
    return dataset
