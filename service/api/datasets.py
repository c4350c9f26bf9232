"""Datasets over HTTP: three ways in (a file, JSON, a sample), one resource out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from flask import Response, request
from marshmallow import fields

from engine.data.formats import MEDIA_TYPES, read_table, table_from_records, table_from_rows
from engine.data.samples import make_sample
from engine.data.table import Profile, Table
from engine.errors import EngineError, Problem
from service.api.parts import missing, owner, running
from service.errors import invalid
from service.tables import datasets
from service.tables.datasets import Dataset
from service.web.bodies import JSON_MEDIA_TYPE, json_body, require_media_type
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, RowQuery, page_response, page_schema
from service.web.schemas import Array, Moment, Object, Schema, Text, load

PREVIEW_ROWS = 20
FORM_MEDIA_TYPE = "multipart/form-data"
MEDIA_TYPE_OF_SUFFIX = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".txt": "text/csv",
    ".json": JSON_MEDIA_TYPE,
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}

_COLUMN = {
    "type": "object",
    "required": ["name", "type", "missing"],
    "properties": {
        "name": {"type": "string"},
        "type": {"type": "string", "enum": ["number", "category", "boolean"]},
        "missing": {"type": "integer", "minimum": 0},
        "min": {"type": ["number", "null"]},
        "max": {"type": ["number", "null"]},
        "mean": {"type": ["number", "null"]},
        "std": {"type": ["number", "null"]},
        "categories": {
            "type": "array",
            "items": {"type": "object", "properties": {"value": {}, "count": {"type": "integer"}}},
        },
    },
}
_COLUMNS = {"type": "array", "items": _COLUMN}
_WARNINGS = {"type": "array", "items": {"type": "string"}}
_ROWS = {"type": "array", "items": {"type": "array", "items": {}}}


class DatasetBody(Schema):
    """A dataset as JSON: a sample, records, or columns and rows."""

    name = Text()
    columns = Array()
    rows = Array()
    records = Array()
    sample = Text()
    options = Object()


class UploadQuery(Schema):
    """What a raw body cannot say itself."""

    name = Text(metadata={"description": "The dataset's name, where the body is the bare data."})


class DatasetSchema(Schema):
    """A dataset."""

    id = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"enum": ["validating", "ready", "rejected"]})
    sha256 = fields.String(required=True, metadata={"description": "Of the stored bytes."})
    row_count = fields.Integer(required=True)
    bytes = fields.Integer(required=True, metadata={"description": "Stored, as Parquet."})
    warnings = fields.Function(lambda row: row.profile["warnings"], required=True, metadata=_WARNINGS)
    columns = fields.Function(lambda row: _profile(row).public_columns(), required=True, metadata=_COLUMNS)
    created_at = Moment(required=True)


class PreviewSchema(Schema):
    """What a dataset would be understood as."""

    name = fields.String(required=True, allow_none=True)
    row_count = fields.Integer(required=True)
    warnings = fields.Raw(required=True, metadata=_WARNINGS)
    columns = fields.Raw(required=True, metadata=_COLUMNS)
    rows = fields.Raw(required=True, metadata={**_ROWS, "description": "The first rows."})


class RowsPage(Schema):
    """Rows of a dataset, each an array in column order."""

    data = fields.Raw(required=True, metadata=_ROWS)
    has_more = fields.Boolean(required=True)
    next = fields.Integer(required=True, allow_none=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that was sent and understood, and what it is to be called."""

    name: str | None
    table: Table


blueprint = Blueprint("datasets", "Tables of data to train on.")

_json_body = {"$ref": "#/components/schemas/DatasetBody"}
_file_form = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
}
_REQUEST_BODY = {
    "required": True,
    "content": {
        JSON_MEDIA_TYPE: {"schema": _json_body},
        FORM_MEDIA_TYPE: {"schema": _file_form},
        **{kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES if kind != JSON_MEDIA_TYPE},
    },
}


@blueprint.post("/datasets")
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.query(UploadQuery())
@blueprint.answer(201, DatasetSchema())
def create_dataset(query: Mapping[str, Any]) -> tuple[Dataset, int, dict[str, str]]:
    """Store a dataset."""
    dataset = _store(read_upload(query.get("name")))
    return dataset, 201, {"Location": f"/api/v1/datasets/{dataset.id}"}


@blueprint.post("/datasets:preview")
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.query(UploadQuery())
@blueprint.answer(200, PreviewSchema())
def preview_dataset(query: Mapping[str, Any]) -> dict[str, Any]:
    """Show what a dataset would be understood as; nothing is stored."""
    upload = read_upload(query.get("name"))
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
    with running().database.reading() as db:
        page = datasets.page(db, owner(), **query)
    return page_response(DatasetSchema(many=True).dump(page.items), page.next)


@blueprint.get("/datasets/<dataset_id>")
@tagged
@blueprint.answer(200, DatasetSchema())
def read_dataset(dataset_id: str) -> Dataset:
    """Read one dataset."""
    return _find(dataset_id)


@blueprint.get("/datasets/<dataset_id>/rows")
@blueprint.query(RowQuery())
@blueprint.answer(200, RowsPage())
def list_dataset_rows(query: Mapping[str, int], dataset_id: str) -> Response:
    """List a dataset's rows in their own order."""
    dataset = _find(dataset_id)
    table = Table.from_parquet(running().storage.read(dataset.sha256))
    start, stop = query["after"], query["after"] + query["limit"]
    return page_response(table.rows(start, stop), stop if stop < table.row_count else None)


@blueprint.delete("/datasets/<dataset_id>")
@blueprint.answer(204)
def delete_dataset(dataset_id: str) -> Response:
    """Delete a dataset that no live job uses."""
    with running().database.session() as db:
        if not datasets.remove(db, owner(), dataset_id):
            raise missing("dataset", dataset_id)
    # The bytes may belong to an upload that is under way: the sweeper takes them once they are orphans.
    return Response(status=204)


def read_upload(name: str | None) -> Upload:
    """The table in the request's body, whichever way it came. Raises ServiceError or EngineError."""
    media_type = require_media_type(*MEDIA_TYPES, FORM_MEDIA_TYPE)
    if media_type == FORM_MEDIA_TYPE:
        return _from_form(name)
    if media_type == JSON_MEDIA_TYPE:
        return _from_json(json_body(), name)
    return Upload(name, _read(request.get_data(cache=False), media_type))


def _read(data: bytes, media_type: str) -> Table:
    return read_table(data, media_type, running().settings.data_bounds())


def _from_form(name: str | None) -> Upload:
    form, problems = load(UploadQuery(), request.form.to_dict())
    problems += [
        Problem(f"/{part}", "unknown_field", f'{part} is unknown; the file\'s part is called "file"')
        for part in request.files
        if part != "file"
    ]
    file = request.files.get("file")
    if file is None:
        hint = "curl -F file=@data.csv sends one."
        problems.append(Problem("/file", "missing_field", "file is required: a part with the data", hint))
    if problems or file is None:
        raise invalid(problems)
    path = PurePath((file.filename or "").replace("\\", "/"))
    table = _read(file.read(), MEDIA_TYPE_OF_SUFFIX.get(path.suffix.lower()) or _media_type_of(file.mimetype))
    return Upload(form.get("name") or name or _printable(path.stem), table)


def _media_type_of(given: str) -> str:
    if given in MEDIA_TYPES:
        return given
    fact = f"file is of the media type {given or 'of nothing'}, known are {', '.join(MEDIA_TYPES)}"
    raise invalid(
        [Problem("/file", "unknown_value", fact, "Give the file the suffix .csv, .json or .parquet.")]
    )


def _printable(stem: str) -> str | None:
    return "".join(sign for sign in stem if sign.isprintable())[:255] or None


def _from_json(document: Any, name: str | None) -> Upload:
    body, problems = load(DatasetBody(), {"records": document} if isinstance(document, list) else document)
    source = _source(document, problems)
    table = None
    try:
        table = _table_of(source, body) if source in body else None
    except EngineError as error:
        problems += error.problems
    if problems or table is None:
        raise invalid(problems)
    return Upload(body.get("name") or name or body.get("sample"), table)


def _source(document: Any, problems: list[Problem]) -> str | None:
    """Which of its three forms a JSON dataset has; says so in `problems` where it is none or several."""
    if not isinstance(document, dict):
        return "records" if isinstance(document, list) else None
    given = [form for form in ("sample", "records", "rows") if form in document]
    if len(given) != 1:
        detail = (
            f"a dataset is one of sample, records or columns and rows, got {' and '.join(given) or 'none'}"
        )
        problems.append(Problem("", "ambiguous_source", detail))
        return None
    for member, form in (("columns", "rows"), ("options", "sample")):
        if member in document and form not in given:
            problems.append(Problem(f"/{member}", "unknown_field", f"{member} goes with {form} only"))
    return given[0]


def _table_of(source: str | None, body: Mapping[str, Any]) -> Table:
    bounds = running().settings.data_bounds()
    if source == "sample":
        return make_sample(body["sample"], body.get("options", {}))
    if source == "records":
        return table_from_records(body["records"], bounds)
    return table_from_rows(body.get("columns", ()), body["rows"], bounds)


def _store(upload: Upload) -> Dataset:
    parts, data = running(), upload.table.to_parquet()
    digest = parts.storage.put(data)
    with parts.database.session() as db:
        profile = upload.table.profile().to_document()
        return datasets.add(
            db, owner=owner(), name=upload.name, profile=profile, sha256=digest, size=len(data)
        )


def _find(dataset_id: str) -> Dataset:
    with running().database.reading() as db:
        dataset = datasets.find(db, owner(), dataset_id)
    if dataset is None:
        raise missing("dataset", dataset_id)
    return dataset


def _profile(row: Dataset) -> Profile:
    return Profile.from_document(row.profile)
