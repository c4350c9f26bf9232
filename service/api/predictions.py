"""Predictions over HTTP: rows in, labels or values out. The fast path: one parse, one call, one print."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from flask import Response, request
from marshmallow import fields

from engine.data.matrices import Array
from engine.errors import Problem
from service.api.loaded_models import Loaded, is_fixed
from service.api.models import load_model
from service.api.rows import (
    BINARY_BODIES,
    BINARY_MEDIA_TYPES,
    RAW,
    RETURN_QUERY,
    check_count,
    documents,
    matrix_of,
    read_binary,
    wanted_members,
    wanted_of_query,
)
from service.errors import invalid
from service.scopes import Scope
from service.web.bodies import JSON_MEDIA_TYPE, parse_json_fast, read_json, require_media_type
from service.web.conditional import with_etag
from service.web.contract import Blueprint
from service.web.schemas import Answer, escape, shown, unknown_name

FOREVER = "private, max-age=31536000, immutable"
FORMS = ("instances", "columns")

_PREDICTION = {
    "type": "object",
    "properties": {
        "label": {},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "scores": {"type": "array", "items": {"type": "number"}},
        "value": {"type": "number", "description": "Regression: in the target's own unit."},
        "warnings": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Only where an input lies outside the range of the training data.",
        },
    },
}
_ROWS = {
    "instances": {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]},
        "description": "One row each: an object by name, or an array in the model's order.",
    },
    "columns": {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {}},
        "description": "The same rows by column.",
    },
}
ROW_QUERY = {
    "in": "query",
    "name": "row",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "The row: each of the model's inputs by name, such as ?x1=0.5&x2=-0.2",
}


def rows_body(**options: Any) -> dict[str, Any]:
    """The description of a body that holds rows, in either form, and further members."""
    schema = {
        "type": "object",
        "properties": {**_ROWS, **options},
        "oneOf": [{"required": [form]} for form in FORMS],
        "additionalProperties": False,
    }
    return {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": schema}}}


class PredictionsSchema(Answer):
    """What a model says of rows."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    predictions = fields.Raw(required=True, metadata={"type": "array", "items": _PREDICTION})


_BODY = rows_body()
_BODY["content"] |= BINARY_BODIES
blueprint = Blueprint("predictions", "What models say.")


@blueprint.post("/models/<model>/predictions", produces=(JSON_MEDIA_TYPE, RAW), scope=Scope.READ)
@blueprint.documented(requestBody=_BODY, parameters=[RETURN_QUERY])
@blueprint.answer(200, PredictionsSchema())
def create_predictions(model: str) -> Response:
    """Predict for rows; who accepts application/octet-stream gets bare float64, row by row."""
    kind = require_media_type(JSON_MEDIA_TYPE, *BINARY_MEDIA_TYPES)
    loaded, wanted = load_model(model), wanted_of_query()
    if kind == JSON_MEDIA_TYPE:
        rows = read_rows(loaded, read_object(parse_json_fast(read_json())))
    else:
        rows = read_binary(loaded, kind)
    if _wants_bare_numbers():
        return _bare_answer(matrix_of(loaded, rows, wanted))
    return _answer(loaded, rows, wanted)


@blueprint.get("/models/<model>/predictions")
@blueprint.documented(parameters=[ROW_QUERY, RETURN_QUERY])
@blueprint.answer(200, PredictionsSchema())
def read_prediction(model: str) -> Response:
    """Predict for one row in the query; the answer may be kept for ever where the version is fixed."""
    loaded, texts = load_model(model), row_of_query()
    asked = "return" in texts and all(each.name != "return" for each in loaded.trained.inputs)
    wanted = wanted_members([texts.pop("return")]) if asked else None
    rows = loaded.reader.read([loaded.trained.instance_from_text(texts)])
    response = _answer(loaded, rows, wanted)
    response.headers["Cache-Control"] = FOREVER if is_fixed(model, loaded.id) else "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return with_etag(response)


def _answer(loaded: Loaded, rows: Array, wanted: frozenset[str] | None) -> Response:
    predictions = documents(loaded, rows, wanted)
    body = {"model_id": loaded.id, "version": loaded.version, "predictions": predictions}
    return Response(orjson.dumps(body), mimetype=JSON_MEDIA_TYPE)


def _wants_bare_numbers() -> bool:
    named = RAW in request.environ.get("HTTP_ACCEPT", "")
    return named and request.accept_mimetypes.best_match((JSON_MEDIA_TYPE, RAW)) == RAW


def _bare_answer(matrix: Array) -> Response:
    shape = {"Gradhouse-Shape": ",".join(map(str, matrix.shape))}
    return Response(matrix.astype("<f8").tobytes(), mimetype=RAW, headers=shape)


def read_rows(loaded: Loaded, document: dict[str, Any]) -> Array:
    """The rows of a JSON body as raw cells; raises ServiceError and BadData."""
    if "columns" in document and len(document) == 1:
        columns = checked_columns(document["columns"])
        check_count(len(next(iter(columns.values()))), "/columns")
        return loaded.reader.read_columns(columns)
    return loaded.reader.read(read_instances(document))


def row_of_query() -> dict[str, str]:
    """The query as one text a name; raises ServiceError where a name stands twice."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise invalid(
            [Problem(f"/{escape(name)}", "repeated", f"{name} stands twice in the query") for name in twice]
        )
    return request.args.to_dict()


def read_object(document: Any) -> dict[str, Any]:
    """The body, which must be an object; raises ServiceError."""
    if not isinstance(document, dict):
        raise invalid([Problem("", "wrong_type", f"the body must be an object, got {shown(document)}")])
    return document


def read_instances(document: dict[str, Any], *, options: Sequence[str] = ()) -> Sequence[Any]:
    """The rows of a body, not yet looked at one by one; raises ServiceError.

    `options` are members that the body might have had besides: they help to guess what a wrong name means.
    """
    if len(document) != 1 or next(iter(document)) not in FORMS:
        raise invalid(_wrong_members(document, (*FORMS, *options)))
    rows = document["instances"] if "instances" in document else _rows_of_columns(document["columns"])
    if not isinstance(rows, list):
        raise invalid(
            [Problem("/instances", "wrong_type", f"instances must be an array of rows, got {shown(rows)}")]
        )
    check_count(len(rows), f"/{next(iter(document))}")
    return rows


def _wrong_members(document: Mapping[str, Any], known: Sequence[str]) -> list[Problem]:
    faults = {name: unknown_name(name, known) for name in document if name not in FORMS}
    problems = [
        Problem(f"/{escape(name)}", fault.code, f"{name} {fault}", fault.hint)
        for name, fault in faults.items()
    ]
    if not any(form in document for form in FORMS):
        hint = '{"instances": [{"x1": 0.5, "x2": -0.2}]} is one row.'
        problems.append(
            Problem("/instances", "missing_field", "instances is required: an array of rows", hint)
        )
    if all(form in document for form in FORMS):
        problems.append(
            Problem("/columns", "ambiguous_source", "the rows are instances or columns, got both")
        )
    return problems


def _rows_of_columns(columns: Any) -> list[dict[str, Any]]:
    columns = checked_columns(columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def checked_columns(columns: Any) -> dict[str, list[Any]]:
    """The body's columns, which must be arrays of one length; raises ServiceError."""
    if not isinstance(columns, dict) or not columns:
        raise invalid(
            [Problem("/columns", "wrong_type", f"columns must be an object of arrays, got {shown(columns)}")]
        )
    wrong = [name for name, cells in columns.items() if not isinstance(cells, list)]
    if wrong:
        raise invalid([_not_an_array(name, columns[name]) for name in wrong])
    count = len(next(iter(columns.values())))
    uneven = [name for name, cells in columns.items() if len(cells) != count]
    if uneven:
        raise invalid([_uneven(name, len(columns[name]), count) for name in uneven])
    return columns


def _not_an_array(name: str, cells: Any) -> Problem:
    return Problem(f"/columns/{escape(name)}", "wrong_type", f"{name} must be an array, got {shown(cells)}")


def _uneven(name: str, length: int, count: int) -> Problem:
    detail = f"{name} has {length} cells where the first column has {count}"
    return Problem(f"/columns/{escape(name)}", "wrong_count", detail)
