"""The deliveries of a job's webhook over HTTP: how each attempt went."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response
from marshmallow import fields

from service.api.job_documents import find_job
from service.api.parts import running
from service.tables import deliveries
from service.tables.deliveries import Delivery, DeliveryStatus
from service.web.contract import Blueprint
from service.web.paging import page_response
from service.web.schemas import Answer, moment

_ATTEMPT = {
    "type": "object",
    "required": ["attempt", "at", "seconds"],
    "properties": {
        "attempt": {"type": "integer", "minimum": 1},
        "at": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number"},
        "status": {"type": "integer", "description": "Of the receiver's answer."},
        "answer": {"type": "string", "description": "Its begin."},
        "error": {
            "type": "string",
            "description": "Why it has not arrived, where the status alone does not say so.",
        },
    },
}
_DELIVERY = {
    "type": "object",
    "required": ["id", "status", "url", "attempts", "created_at"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": [each.value for each in DeliveryStatus]},
        "url": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        "attempts": {"type": "array", "items": _ATTEMPT},
    },
}


class DeliveriesPage(Answer):
    """Deliveries of a job, oldest first."""

    data = fields.Raw(required=True, metadata={"type": "array", "items": _DELIVERY})
    has_more = fields.Boolean(required=True)
    next = fields.String(required=True, allow_none=True)


blueprint = Blueprint("deliveries", "Who was told of a job's end.")


@blueprint.get("/jobs/<job_id>/deliveries")
@blueprint.answer(200, DeliveriesPage())
def list_job_deliveries(job_id: str) -> Response:
    """List the deliveries of a job's webhook, with every attempt."""
    with running().database.reading() as db:
        find_job(db, job_id)
        rows = deliveries.of_job(db, job_id)
    return page_response([_document(row) for row in rows], None)


def _document(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "url": row.url,
        "created_at": moment(row.created_at),
        "attempts": [_attempt(entry) for entry in row.log],
    }


def _attempt(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "at": moment(datetime.fromtimestamp(entry["at"], UTC))}
