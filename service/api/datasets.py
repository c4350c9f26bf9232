"""Datasets over HTTP: stored, listed, read, deleted."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from engine.data.profile import Profile
from engine.data.stored import StoredTable
from service.api.idempotency import idempotent, remember
from service.api.orders import require_ready
from service.api.parts import missing, owner, running
from service.api.uploads import REQUEST_BODY, LargeUpload, Upload, UploadQuery, read_upload, receive_upload
from service.scopes import Scope
from service.tables import datasets
from service.tables.base import Transaction
from service.tables.datasets import Dataset
from service.tables.jobs import Job
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, RowQuery, page_response, page_schema
from service.web.schemas import Answer, Moment

PREVIEW_ROWS = 20
STATUSES = ("validating", "ready", "rejected")
_COLUMN = {
    "type": "object",
    "required": ["name", "type", "missing"],
    "properties": {
        "name": {"type": "string"},
        "type": {"type": "string", "enum": ["number", "category", "boolean"]},
        "missing": {"type": "integer", "minimum": 0},
        "distinct": {"type": "integer", "minimum": 0},
        "min": {"type": ["number", "null"]},
        "max": {"type": ["number", "null"]},
        "mean": {"type": ["number", "null"]},
        "std": {"type": ["number", "null"]},
        "histogram": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "Counts in bins of equal width from min to max.",
        },
        "categories": {
            "type": "array",
            "items": {"type": "object", "properties": {"value": {}, "count": {"type": "integer"}}},
        },
    },
}
_COLUMNS = {"type": "array", "items": _COLUMN}
_WARNINGS = {"type": "array", "items": {"type": "string"}}
_ROWS = {"type": "array", "items": {"type": "array", "items": {}}}


def rejection_of(row: Dataset) -> dict[str, Any] | None:
    """Why a dataset was rejected; None for one that was not."""
    if row.status == "ready":
        return None
    with running().database.reading() as db:
        return datasets.rejection(db, row)


def _status(row: Dataset) -> str:
    return "rejected" if rejection_of(row) else row.status


class DatasetSchema(Answer):
    """A dataset."""

    id = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    status = fields.Function(_status, required=True, metadata={"type": "string", "enum": list(STATUSES)})
    error = fields.Function(
        rejection_of,
        required=True,
        metadata={"type": ["object", "null"], "description": "Why the upload was rejected: its problems."},
    )
    sha256 = fields.String(required=True, metadata={"description": "Of the stored bytes."})
    source_sha256 = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Of the file that was sent, unpacked; null where none was."},
    )
    row_count = fields.Integer(required=True)
    bytes = fields.Integer(required=True, metadata={"description": "Stored, as Parquet."})
    warnings = fields.Function(lambda row: row.profile["warnings"], required=True, metadata=_WARNINGS)
    columns = fields.Function(lambda row: _profile(row).public_columns(), required=True, metadata=_COLUMNS)
    created_at = Moment(required=True)


# To make a schema takes longer than to use it.
_DATASET, _FACTS = DatasetSchema(), DatasetSchema(exclude=("status", "error"))


class PreviewSchema(Answer):
    """What a dataset would be understood as."""

    name = fields.String(required=True, allow_none=True)
    row_count = fields.Integer(required=True)
    warnings = fields.Raw(required=True, metadata=_WARNINGS)
    columns = fields.Raw(required=True, metadata=_COLUMNS)
    rows = fields.Raw(required=True, metadata={**_ROWS, "description": "The first rows."})


class RowsPage(Answer):
    """Rows of a dataset, each an array in column order."""

    data = fields.Raw(required=True, metadata=_ROWS)
    has_more = fields.Boolean(required=True)
    next = fields.Integer(required=True, allow_none=True)


Add = Callable[[Transaction], tuple[Dataset, Job | None]]

blueprint = Blueprint("datasets", "Tables of data to train on.")


@blueprint.post("/datasets")
@idempotent
@blueprint.documented(requestBody=REQUEST_BODY)
@blueprint.refuses(411)
@blueprint.query(UploadQuery())
@blueprint.answer(201, DatasetSchema())
def create_dataset(query: Mapping[str, Any]) -> tuple[Response, int, dict[str, str]]:
    """Store a dataset. A large file is validated by a worker: poll until the status is ready or rejected."""
    upload = receive_upload(query, keep_large=True)
    add = _expect(upload) if isinstance(upload, LargeUpload) else _store(upload)
    with running().database.session() as db:
        dataset, job = add(db)
        answer = jsonify(_created(dataset)), 201, {"Location": f"/api/v1/datasets/{dataset.id}"}
        remember(db, *answer)
    if job is not None:
        running().broker.send(job.id)
    return answer


@blueprint.post("/datasets:preview", scope=Scope.READ)
@blueprint.documented(requestBody=REQUEST_BODY)
@blueprint.refuses(411)
@blueprint.query(UploadQuery())
@blueprint.answer(200, PreviewSchema())
def preview_dataset(query: Mapping[str, Any]) -> dict[str, Any]:
    """Show what a dataset would be understood as; nothing is stored."""
    upload = read_upload(query)
    profile = upload.table.profile()
    return {
        "name": upload.name,
        "row_count": profile.row_count,
        "warnings": list(profile.warnings),
        "columns": profile.public_columns(),
        "rows": upload.table.rows(0, PREVIEW_ROWS),
    }


@blueprint.get("/datasets")
@blueprint.query(PageQuery())
@blueprint.answer(200, page_schema(DatasetSchema()))
def list_datasets(query: Mapping[str, Any]) -> Response:
    """List the datasets, newest first."""
    with running().database.looking() as db:
        page = datasets.page(db, owner(), **query)
    return page_response(_DATASET.dump(page.items, many=True), page.next)


@blueprint.get("/datasets/<dataset_id>")
@tagged
@blueprint.answer(200, DatasetSchema())
def read_dataset(dataset_id: str) -> Dataset:
    """Read one dataset."""
    return _find(dataset_id)


@blueprint.get("/datasets/<dataset_id>/rows")
@blueprint.refuses(409)
@blueprint.query(RowQuery())
@blueprint.answer(200, RowsPage())
def list_dataset_rows(query: Mapping[str, int], dataset_id: str) -> Response:
    """List a dataset's rows in their own order."""
    dataset = _find(dataset_id)
    require_ready(dataset)
    start, stop = query["after"], query["after"] + query["limit"]
    with running().storage.open(dataset.sha256) as file:
        page = StoredTable(file, _profile(dataset)).rows(start, stop)
    return page_response(page.rows(0, page.row_count), stop if stop < dataset.row_count else None)


@blueprint.delete("/datasets/<dataset_id>")
@blueprint.refuses(409)
@blueprint.answer(204)
def delete_dataset(dataset_id: str) -> Response:
    """Delete a dataset that no live job uses."""
    with running().database.session() as db:
        if not datasets.remove(db, owner(), dataset_id):
            raise missing("dataset", dataset_id)
    # The bytes may belong to an upload that is under way: the sweeper takes them once they are orphans.
    return Response(status=204)


def _store(upload: Upload) -> Add:
    """Stores the bytes of a table; what adds its row."""
    data = upload.table.to_parquet()
    digest, profile = running().storage.put(data), upload.table.profile().to_document()

    def add(db: Transaction) -> tuple[Dataset, None]:
        facts: dict[str, Any] = {"sha256": digest, "source_sha256": upload.source_sha256, "size": len(data)}
        return datasets.add(db, owner=owner(), name=upload.name, profile=profile, **facts), None

    return add


def _expect(upload: LargeUpload) -> Add:
    """What adds the row of a file that is to be validated, and the job that does it."""
    return partial(
        datasets.expect,
        owner=owner(),
        name=upload.name,
        sha256=upload.sha256,
        size=upload.size,
        reading=upload.reading,
    )


def _created(dataset: Dataset) -> dict[str, Any]:
    """A dataset that this transaction has added: nobody can have rejected it yet."""
    known: dict[str, Any] = {"status": dataset.status, "error": None}
    facts = _FACTS.dump(dataset)
    return {name: known[name] if name in known else facts[name] for name in _DATASET.fields}


def _find(dataset_id: str) -> Dataset:
    with running().database.reading() as db:
        dataset = datasets.find(db, owner(), dataset_id)
    if dataset is None:
        raise missing("dataset", dataset_id)
    return dataset


def _profile(row: Dataset) -> Profile:
    return Profile.from_document(row.profile)
