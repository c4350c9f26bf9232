"""`GET /api/v1/status`: what runs, for people; nobody's data and nobody's names."""

import time
from datetime import UTC, datetime
from importlib.metadata import version
from platform import python_version
from typing import Any

from flask import Response, jsonify
from marshmallow import fields

from service.api.parts import Parts, running
from service.presence import Crew, Present
from service.processes import shown_name
from service.web.contract import Blueprint
from service.web.schemas import Answer, moment


class ProcessSchema(Answer):
    """A process of a worker: one training at a time."""

    pid = fields.Integer(required=True)
    busy = fields.Boolean(required=True)
    steps = fields.Integer(required=True, metadata={"description": "Updates of parameters since its start."})
    started_at = fields.String(required=True)
    age_seconds = fields.Float(required=True, metadata={"description": "Since its last sign of life."})


class WorkerSchema(Answer):
    """A worker."""

    name = fields.String(required=True)
    version = fields.String(required=True, allow_none=True)
    concurrency = fields.Integer(required=True, allow_none=True)
    age_seconds = fields.Float(required=True, metadata={"description": "Since its last sign of life."})
    processes = fields.List(fields.Nested(ProcessSchema()), required=True)


class QueueSchema(Answer):
    """What waits."""

    depth = fields.Integer(required=True, allow_none=True)
    age_seconds = fields.Float(required=True, allow_none=True, metadata={"description": "Of the oldest job."})
    messages = fields.Integer(required=True, allow_none=True, metadata={"description": "In the broker."})


class StatusSchema(Answer):
    """What runs, and its bounds; null stands for what cannot be known while a part is away."""

    version = fields.String(required=True)
    versions = fields.Raw(required=True, metadata={"type": "object"})
    started_at = fields.String(required=True)
    uptime_seconds = fields.Float(required=True)
    database = fields.String(required=True, metadata={"enum": ["ok", "away"]})
    broker = fields.String(required=True, metadata={"enum": ["ok", "away"]})
    workers = fields.List(fields.Nested(WorkerSchema()), required=True)
    queue = fields.Nested(QueueSchema(), required=True)
    jobs = fields.Raw(required=True, metadata={"type": ["object", "null"], "description": "By status."})
    training = fields.Raw(required=True, metadata={"type": ["object", "null"]})
    limits = fields.Raw(required=True, metadata={"type": "object"})


blueprint = Blueprint("status", "What runs.")


@blueprint.get("/status")
@blueprint.answer(200, StatusSchema())
def read_status() -> Response:
    """Say what runs: versions, workers, queue, limits."""
    parts = running()
    seen = parts.lookout.look()
    figures, crew = seen.figures, seen.crew
    document: dict[str, Any] = {
        "version": version("gradhouse"),
        "versions": {"python": python_version(), "database": seen.revision},
        "started_at": _shown(parts.started_at),
        "uptime_seconds": round(time.time() - parts.started_at, 1),
        "database": "away" if figures is None else "ok",
        "broker": "away" if crew is None else "ok",
        "workers": [] if crew is None else [_worker(each, crew) for each in crew.workers],
        "queue": {
            "depth": None if figures is None else figures.queue_depth,
            "age_seconds": None if figures is None else round(figures.queue_age_seconds, 1),
            "messages": None if crew is None else crew.messages,
        },
        "jobs": None if figures is None else figures.jobs,
        "training": None if crew is None else {"steps": int(crew.steps), "seconds": round(crew.seconds, 3)},
        "limits": {name: getattr(parts.settings, name) for name in _limits(parts)},
    }
    return jsonify(document)


def _worker(worker: Present, crew: Crew) -> dict[str, Any]:
    return {
        "name": shown_name(worker.name),
        "version": worker.facts.get("version"),
        "concurrency": worker.facts.get("concurrency"),
        "age_seconds": round(worker.age_seconds, 1),
        "processes": [_process(each) for each in crew.processes if each.name.startswith(worker.name)],
    }


def _process(process: Present) -> dict[str, Any]:
    facts = {name: process.facts[name] for name in ("pid", "busy", "steps")}
    age = round(process.age_seconds, 1)
    return {**facts, "started_at": _shown(process.facts["started_at"]), "age_seconds": age}


def _shown(seconds: float) -> str:
    return moment(datetime.fromtimestamp(seconds, UTC))


def _limits(parts: Parts) -> list[str]:
    return [name for name in type(parts.settings).__dataclass_fields__ if name.startswith("max_")]
