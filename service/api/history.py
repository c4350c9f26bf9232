"""The history of a job over HTTP: one row an epoch, as JSON or CSV, whole or thinned for drawing."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flask import Response, request
from marshmallow import fields

from engine.training.records.history import HistoryBlock
from service.api.job_documents import find_job
from service.api.parts import running
from service.tables import history
from service.web.contract import Blueprint
from service.web.paging import RowQuery, page_response
from service.web.schemas import Answer, QueryInt

CSV_MEDIA_TYPE = "text/csv"
MAX_POINTS = 10_000

Row = dict[str, Any]

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
        metadata={"description": "Thin to about so many rows: the first, the last and the extremes stay."},
    )


class HistoryPage(Answer):
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
    after, limit, points = query["after"], query["limit"], query.get("points")
    blocks, last = _read(job_id, after, None if points else limit)
    rows = thin(blocks, after, points) if points else _rows(blocks, after, limit)
    if request.accept_mimetypes.best_match(["application/json", CSV_MEDIA_TYPE]) == CSV_MEDIA_TYPE:
        return Response(to_csv(rows), mimetype=CSV_MEDIA_TYPE)
    more = bool(rows) and rows[-1]["epoch"] < last
    return page_response(rows, rows[-1]["epoch"] if more else None)


def _read(job_id: str, after: int, limit: int | None) -> tuple[list[HistoryBlock], int]:
    """The blocks that hold the epochs asked for, and the newest epoch of all."""
    with running().database.reading() as db:
        find_job(db, job_id)
        packed = history.read(db, job_id, after=after, limit=limit)
        last = history.last_epoch(db, job_id)
    return [HistoryBlock.from_bytes(block.data) for block in packed], last


def _rows(blocks: Sequence[HistoryBlock], after: int, limit: int) -> list[Row]:
    """The `limit` rows after the epoch `after`; the outer blocks hold more."""
    spans = (
        (block, max(0, after + 1 - block.first_epoch), after + limit + 1 - block.first_epoch)
        for block in blocks
    )
    return [row for block, start, stop in spans for row in block.rows(start, stop)]


def thin(blocks: Sequence[HistoryBlock], after: int, points: int) -> list[Row]:
    """About `points` rows: first, last, and of each stretch between the least and the greatest loss."""
    if not blocks:
        return []
    whole = HistoryBlock.concatenate(blocks)
    first = max(0, after + 1 - whole.first_epoch)
    if len(whole) - first <= points:
        return list(whole.rows(first))
    loss, kept = whole.columns["train_loss"], {first, len(whole) - 1}
    for stretch in np.array_split(np.arange(first + 1, len(whole) - 1), max(1, (points - 2) // 2)):
        if not np.isnan(loss[stretch]).all():
            kept |= {int(stretch[np.nanargmin(loss[stretch])]), int(stretch[np.nanargmax(loss[stretch])])}
    return list(whole.rows_at(sorted(kept)))


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; null is an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
