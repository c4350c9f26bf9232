"""Models that leave and come back over HTTP: source code, ONNX, JSON, safetensors."""

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify

from engine.export.files import read_json, read_safetensors
from engine.export.formats import FORMS, export
from engine.models.model import TrainedModel
from service.api.idempotency import idempotent, remember
from service.api.models import ModelSchema, documents, load_model
from service.api.orders import MODEL_NAME, name_problems
from service.api.parts import owner, running
from service.errors import invalid
from service.tables import models
from service.web.bodies import JSON_MEDIA_TYPE, read_body, require_media_type
from service.web.conditional import with_etag
from service.web.contract import Blueprint
from service.web.schemas import Schema, Text

SAFETENSORS = "application/octet-stream"
MEDIA_TYPES = tuple(dict.fromkeys(form.media_type for _, form in FORMS))
_BODY = {
    "required": True,
    "content": {
        JSON_MEDIA_TYPE: {"schema": {"type": "object", "description": "What format=json has given."}},
        SAFETENSORS: {"schema": {"type": "string", "format": "binary"}},
    },
}


class ExportQuery(Schema):
    """Which form a model shall leave in."""

    format = Text(load_default="json", choices=FORMS.names())


class ImportQuery(Schema):
    """What a model that comes in shall be called."""

    name = Text(most=100, metadata={"description": "By default the name that it had.", "pattern": MODEL_NAME})


blueprint = Blueprint("exports", "Models to take away, and to bring back.")


@blueprint.get("/models/<model>/export", produces=MEDIA_TYPES)
@blueprint.query(ExportQuery())
@blueprint.answer(200, content_type="application/octet-stream", description="The file.")
def export_model(query: Mapping[str, str], model: str) -> Response:
    """Take a model away: it runs elsewhere, its preprocessing, classes and a self-test row with it."""
    loaded, form = load_model(model), FORMS.get(query["format"])
    response = Response(export(loaded.trained, query["format"]), mimetype=form.media_type)
    name = f"{loaded.trained.spec.model.name or 'model'}-{loaded.version}{form.suffix}"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return with_etag(response)


@blueprint.post("/models")
@idempotent
@blueprint.query(ImportQuery())
@blueprint.documented(requestBody=_BODY)
@blueprint.answer(201, ModelSchema())
def import_model(query: Mapping[str, str]) -> tuple[Response, int, dict[str, str]]:
    """Bring a model back in, as export gave it in JSON or safetensors; it counts as a version of its name."""
    kind = require_media_type(JSON_MEDIA_TYPE, SAFETENSORS)
    read = read_json if kind == JSON_MEDIA_TYPE else read_safetensors
    model = read(read_body(), running().settings.engine_limits())
    name = query.get("name", model.spec.model.name)
    if problems := name_problems(name, "/name"):
        raise invalid(problems)
    with running().database.session() as db:
        row = models.add(db, owner=owner(), name=name, **_facts(model))
        db.refresh(row)
        document = documents(db, [row])[0]
        answer = jsonify(document), 201, {"Location": f"/api/v1/models/{row.id}"}
        remember(db, *answer)
    running().models.forget_references()
    return answer


def _facts(model: TrainedModel) -> dict[str, Any]:
    return {
        "job_id": None,
        "dataset_id": None,
        "dataset_sha256": None,
        "sha256": model.sha256,
        "parameter_count": model.parameter_count,
        "spec": model.spec.to_document(),
        "metrics": {"train": None, "validation": None},
        "inputs": [
            {"name": each.name, "type": each.type, "categories": list(each.known) or None}
            for each in model.inputs
        ],
        "classes": None if model.classes is None else list(model.classes),
        "parameters": model.to_bytes(),
    }
