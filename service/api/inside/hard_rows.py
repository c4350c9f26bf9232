"""The rows that a finished model gets most wrong, over HTTP."""

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from engine.data.table import Table
from engine.inside.hard_rows import HardRow, worst_rows
from engine.models.model import TrainedModel
from service.api.inside.training_data import table_of
from service.api.job_documents import find_job
from service.api.models import load_model
from service.api.parts import running
from service.errors import ServiceError
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.schemas import QueryInt, Schema

_ROW = {
    "type": "object",
    "required": ["row", "loss", "gradient_norm", "instance", "target", "prediction"],
    "properties": {
        "row": {"type": "integer", "description": "Its position in the dataset, from 0."},
        "loss": {"type": "number", "description": "The row's own loss, unweighted."},
        "gradient_norm": {
            "type": ["number", "null"],
            "description": "Euclidean norm of that loss's gradient by all parameters.",
        },
        "instance": {"type": "object"},
        "target": {},
        "prediction": {"type": "object"},
    },
}


class WorstQuery(Schema):
    """How many rows."""

    k = QueryInt(minimum=1, maximum=1_000, load_default=10)


class WorstRowsSchema(Schema):
    """Rows by their loss, greatest first."""

    job_id = fields.String(required=True)
    model_id = fields.String(required=True)
    data = fields.Raw(required=True, metadata={"type": "array", "items": _ROW})


blueprint = Blueprint("hard_rows", "Which rows hurt.")


@blueprint.get("/jobs/<job_id>/rows/worst")
@tagged
@blueprint.query(WorstQuery())
@blueprint.refuses(409, 410)
@blueprint.answer(200, WorstRowsSchema())
def list_worst_rows(query: Mapping[str, Any], job_id: str) -> Response:
    """List the rows of the dataset with the greatest loss under the job's final model."""
    with running().database.reading() as db:
        job = find_job(db, job_id)
    if job.model_id is None:
        detail = f"job {job.id} has made no model: it is {job.shown_status}"
        raise ServiceError("conflict", detail, hint="Rows are measured with the final model.")
    loaded = load_model(job.model_id)
    table = table_of(loaded.id)
    if table is None:
        raise ServiceError("gone", f"the dataset {job.dataset_id} of job {job.id} was deleted")
    found = worst_rows(loaded.trained, table, query["k"])
    rows = _documents(loaded.trained, table, found)
    return jsonify({"job_id": job.id, "model_id": loaded.id, "data": rows})


def _documents(model: TrainedModel, table: Table, found: list[HardRow]) -> list[dict[str, Any]]:
    names = table.names
    documents = []
    for each in found:
        cells = dict(zip(names, table.rows(each.row, each.row + 1)[0], strict=True))
        instance = {column.name: cells[column.name] for column in model.inputs}
        document = {"row": each.row, "loss": each.loss, "gradient_norm": each.gradient_norm}
        target = cells[model.encoding.target.name]
        documents.append({**document, "instance": instance, "target": target, "prediction": each.prediction})
    return documents
