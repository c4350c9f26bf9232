"""Is it alive, can it serve, what runs: for load balancers and for people."""

from importlib.metadata import version
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
from service.web.schemas import Answer

RETRY_SECONDS = "1"


class HealthSchema(Answer):
    """A sign of life."""

    status = fields.String(required=True, metadata={"enum": ["ok"]})


class ReadinessSchema(Answer):
    """That every part answers."""

    status = fields.String(required=True, metadata={"enum": ["ready"]})
    checks = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class StatusSchema(Answer):
    """What runs, and its bounds."""

    version = fields.String(required=True)
    workers = fields.Integer(required=True)
    broker = fields.String(required=True, metadata={"enum": ["ok", "away"]})
    queue = fields.Raw(required=True, metadata={"type": "object"})
    limits = fields.Raw(required=True, metadata={"type": "object"})


probes = Blueprint("health", "Is the service alive and ready?", prefix="/")
blueprint = Blueprint("status", "What runs.")


@probes.get("healthz", scope=Scope.PUBLIC)
@probes.answer(200, HealthSchema())
def read_health() -> Response:
    """Say that this process answers."""
    return jsonify({"status": "ok"})


@probes.get("readyz", scope=Scope.PUBLIC)
@probes.answer(200, ReadinessSchema())
def read_readiness() -> Response:
    """Say whether database, broker and a worker answer; 503 names those that do not."""
    problems = readiness_problems(running())
    if problems:
        detail = "; ".join(problem.detail for problem in problems)
        raise ServiceError("unavailable", detail, errors=problems, headers={"Retry-After": RETRY_SECONDS})
    return jsonify({"status": "ready", "checks": {"database": "ok", "broker": "ok", "worker": "ok"}})


@blueprint.get("/status")
@blueprint.answer(200, StatusSchema())
def read_status() -> Response:
    """Say what runs: version, workers, queue, limits."""
    parts = running()
    depth = parts.broker.depth()
    document: dict[str, Any] = {
        "version": version("gradhouse"),
        "workers": parts.broker.workers(),
        "broker": "away" if depth is None else "ok",
        "queue": {"messages": depth},
        "limits": {name: getattr(parts.settings, name) for name in _limits(parts)},
    }
    return jsonify(document)


def readiness_problems(parts: Parts) -> list[Problem]:
    """What keeps the service from doing its work, part by part."""
    problems = _database_problems(parts)
    if not parts.broker.ping():
        problems.append(
            Problem("/broker", "away", "the broker does not answer", "Start it; jobs wait until then.")
        )
    if parts.broker.workers() == 0:
        hint = "Start one with `gradhouse worker`; jobs wait until then."
        problems.append(Problem("/worker", "away", "no worker is there", hint))
    return problems


def _database_problems(parts: Parts) -> list[Problem]:
    try:
        schema.require_current(parts.database)
    except schema.OutdatedSchema as error:
        return [Problem("/database", "outdated", str(error), "Run `gradhouse db upgrade`.")]
    except Exception as error:
        if not is_transient(error):
            raise
        return [Problem("/database", "away", "the database does not answer", "Start it; nothing is lost.")]
    return []


def _limits(parts: Parts) -> list[str]:
    return [name for name in type(parts.settings).__dataclass_fields__ if name.startswith("max_")]
