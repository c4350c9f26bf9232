"""Aliases over HTTP: words such as `champion` that stand for one version of a model's name and can move."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from engine.errors import Problem
from service.api.parts import missing, owner, running
from service.errors import invalid
from service.tables import models
from service.web.contract import Blueprint
from service.web.schemas import Answer, Schema, StrictInt, shown

_ALIAS = re.compile(r"(?![0-9]+$)[A-Za-z0-9._-]{1,100}", re.ASCII)
_PARAMETER = {
    "in": "path",
    "name": "alias",
    "required": True,
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 100,
        "pattern": "^[A-Za-z0-9._-]*[A-Za-z._-][A-Za-z0-9._-]*$",
    },
}


class AliasBody(Schema):
    """Where an alias shall point."""

    version = StrictInt(required=True, minimum=1, maximum=999_999_999)


class AliasSchema(Answer):
    """An alias, and the version that it stands for."""

    name = fields.String(required=True)
    alias = fields.String(required=True)
    version = fields.Integer(required=True)
    model_id = fields.String(required=True)


blueprint = Blueprint("aliases", "Words that stand for a version of a model.")


@blueprint.put("/models/<name>/aliases/<alias>")
@blueprint.documented(parameters=[_PARAMETER])
@blueprint.body(AliasBody())
@blueprint.answer(200, AliasSchema(), description="The alias has moved.")
@blueprint.also(201, schema=AliasSchema(), description="The alias is new.")
def put_alias(body: Mapping[str, Any], name: str, alias: str) -> tuple[Response, int]:
    """Point an alias at a version: at every moment it stands for one, the old or the new."""
    _check(alias)
    with running().database.session() as db:
        reference = f"{name}@{body['version']}"
        model = models.find(db, owner(), reference)
        if model is None:
            raise _no_version(db, name, body["version"])
        new = models.put_alias(db, owner(), name, alias, model.id)
    running().models.forget_references()
    answer = {"name": name, "alias": alias, "version": model.version, "model_id": model.id}
    return jsonify(answer), 201 if new else 200


@blueprint.delete("/models/<name>/aliases/<alias>")
@blueprint.answer(204)
def delete_alias(name: str, alias: str) -> Response:
    """Delete an alias; the model stays."""
    with running().database.session() as db:
        if not models.remove_alias(db, owner(), name, alias):
            raise missing("model", f"{name}@{alias}")
    running().models.forget_references()
    return Response(status=204)


def _check(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        detail = (
            f"an alias has 1 to 100 letters, digits, dots, - and _, and is no bare number; got {shown(alias)}"
        )
        raise invalid([Problem("/alias", "invalid_text", detail)])


def _no_version(db: Any, name: str, version: int) -> Exception:
    if models.find(db, owner(), name) is None:
        return missing("model", name)
    return invalid([Problem("/version", "unknown_version", f"the model {name} has no version {version}")])
