"""Is it alive, can it serve: for load balancers."""

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from engine.errors import Problem
from service.api.parts import Parts, running
from service.errors import ServiceError
from service.scopes import Scope
from service.tables import schema
from service.tables.base import is_transient
from service.web.contract import Blueprint
from service.web.schemas import Answer, Schema, Text

RETRY_SECONDS = "1"
PARTS = ("database", "migrations", "broker", "worker")


class HealthSchema(Answer):
    """A sign of life."""

    status = fields.String(required=True, metadata={"enum": ["ok"]})


class ReadinessQuery(Schema):
    """Which parts need not be there."""

    excluded = fields.List(Text(choices=PARTS), load_default=[], data_key="exclude")


class ReadinessSchema(Answer):
    """That every part answers."""

    status = fields.String(required=True, metadata={"enum": ["ready"]})
    checks = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


blueprint = Blueprint("health", "Is the service alive and ready?", prefix="/")


@blueprint.get("healthz", scope=Scope.PUBLIC)
@blueprint.answer(200, HealthSchema())
def read_health() -> Response:
    """Say that this process answers."""
    return jsonify({"status": "ok"})


@blueprint.get("readyz", scope=Scope.PUBLIC)
@blueprint.query(ReadinessQuery())
@blueprint.answer(200, ReadinessSchema())
def read_readiness(query: Mapping[str, Any]) -> Response:
    """Say whether database, migrations, broker and a worker are there; 503 names what is missing.

    `?exclude=worker&exclude=broker` asks for the others only: an API without these still takes jobs in.
    """
    excluded = query["excluded"]
    found = [each for each in readiness_problems(running()) if each.pointer[1:] not in excluded]
    if found:
        detail = "; ".join(problem.detail for problem in found)
        raise ServiceError("unavailable", detail, errors=found, headers={"Retry-After": RETRY_SECONDS})
    return jsonify({"status": "ready", "checks": {part: "ok" for part in PARTS if part not in excluded}})


def readiness_problems(parts: Parts) -> list[Problem]:
    """What keeps the service from doing its work, part by part."""
    problems = _database_problems(parts)
    if not parts.broker.ping():
        hint = "Start it; jobs wait until then."
        problems.append(Problem("/broker", "away", "the broker does not answer", hint))
        hint = "Start the broker: workers that are there tell it so within seconds."
        problems.append(Problem("/worker", "unknown", "no worker is seen without the broker", hint))
    elif parts.presence.workers() == 0:
        hint = "Start one with `gradhouse worker`; jobs wait until then."
        problems.append(Problem("/worker", "away", "no worker is there", hint))
    return problems


def _database_problems(parts: Parts) -> list[Problem]:
    try:
        schema.require_current(parts.database)
    except schema.OutdatedSchema as error:
        return [Problem("/migrations", "outdated", str(error), "Run `gradhouse db upgrade`.")]
    except Exception as error:
        if not is_transient(error):
            raise
        return [Problem("/database", "away", "the database does not answer", "Start it; nothing is lost.")]
    return []
