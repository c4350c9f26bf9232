"""The history of a job over HTTP: one row an epoch, as JSON or CSV, whole or thinned for drawing."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from engine.training.trainer import HistoryBlock
from flask import Response, request
from marshmallow import fields

from service.api.jobs import find_job
from service.api.parts import running
from service.tables import history
from service.web.contract import Blueprint
from service.web.paging import RowQuery, page_response
from service.web.schemas import QueryInt, Schema

CSV_MEDIA_TYPE = "text/csv"
MAX_POINTS = 10_000

_ROW = {
    "type": "object",
    "required": ["epoch"],
    "properties": {"epoch": {"type": "integer", "minimum": 1}},
    "additionalProperties": {"type": ["number", "null"]},
}


class HistoryQuery(RowQuery):
    """Which epochs to show."""

    points = QueryInt(
        minimum=2,
        maximum=MAX_POINTS,
        load_default=None,
        metadata={"description": "Thin to about so many rows: the first, the last and the extremes stay."},
    )


class HistoryPage(Schema):
    """Rows of a history, ascending."""

    data = fields.Raw(required=True, metadata={"type": "array", "items": _ROW})
    has_more = fields.Boolean(required=True)
    next = fields.Integer(required=True, allow_none=True)


blueprint = Blueprint("history", "What a training has written, epoch by epoch.")


@blueprint.get("/jobs/<job_id>/history", produces=("application/json", CSV_MEDIA_TYPE))
@blueprint.query(HistoryQuery())
@blueprint.also(200, content_type=CSV_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, HistoryPage())
def read_job_history(query: Mapping[str, Any], job_id: str) -> Response:
    """List a job's epochs."""
    after, limit, points = query["after"], query["limit"], query["points"]
    rows, more = _read(job_id, after, None if points else limit)
    if points is not None:
        rows = thin(rows, points)
    if request.accept_mimetypes.best_match(["application/json", CSV_MEDIA_TYPE]) == CSV_MEDIA_TYPE:
        return Response(to_csv(rows), mimetype=CSV_MEDIA_TYPE)
    return page_response(rows, int(rows[-1]["epoch"]) if more else None)


def _read(job_id: str, after: int, limit: int | None) -> tuple[list[dict[str, Any]], bool]:
    with running().database.reading() as db:
        find_job(db, job_id)
        packed = history.read(db, job_id, after=after, limit=limit)
        last = history.last_epoch(db, job_id)
    blocks = (HistoryBlock.from_bytes(block.data) for block in packed)
    rows = [row for block in blocks for row in block.rows() if row["epoch"] > after][:limit]
    return rows, bool(rows) and rows[-1]["epoch"] < last


def thin(rows: Sequence[dict[str, Any]], points: int) -> list[dict[str, Any]]:
    """About `points` of the rows: first, last, and of each stretch between the least and the greatest loss."""
    if len(rows) <= points:
        return list(rows)
    loss = np.array([np.nan if row["train_loss"] is None else row["train_loss"] for row in rows], dtype=float)
    kept = {0, len(rows) - 1}
    for stretch in np.array_split(np.arange(1, len(rows) - 1), max(1, (points - 2) // 2)):
        if len(stretch) and not np.isnan(loss[stretch]).all():
            kept |= {int(stretch[np.nanargmin(loss[stretch])]), int(stretch[np.nanargmax(loss[stretch])])}
    return [rows[index] for index in sorted(kept)]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV with a header; null is an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
