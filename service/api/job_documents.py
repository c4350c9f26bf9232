"""A job as its readers see it: schemas, progress, links, and when a look is worth it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any
from urllib.parse import quote

from flask import request
from marshmallow import fields

from service.api.orders import PRIORITIES
from service.api.parts import missing, owner, running
from service.errors import problem_document
from service.tables import jobs, standing
from service.tables.events import Move
from service.tables.forecast import Forecast, Place, seconds_left
from service.tables.jobs import Job, Status
from service.tables.plain import Source
from service.tables.standing import Standing
from service.web.schemas import Answer, Moment, moment

STATUSES = (*(status.value for status in Status), "canceling")
NEXT = 10  # places at the head of the queue that idle workers empty at once
POLLING = {"Retry-After": {"description": "Seconds until a look is worth it.", "schema": {"type": "integer"}}}
_PROGRESS = {
    "type": "object",
    "required": ["fraction", "epoch", "epochs", "eta_seconds"],
    "properties": {
        "fraction": {"type": "number", "minimum": 0, "maximum": 1},
        "epoch": {"type": "integer"},
        "epochs": {"type": "integer"},
        "eta_seconds": {
            "type": ["number", "null"],
            "description": "Until it ends, if it trains all epochs: by its own speed or, before it begins, "
            "that of the jobs of late, and by the work ahead of it. Null once it is done, and where nothing "
            "was trained or nobody works.",
        },
    },
}


def eta_seconds(
    job: Job, since: float = 0.0, forecast: Forecast | None = None, position: int | None = None
) -> float | None:
    """How many seconds from now a job ends if it trains to its last epoch; None where nothing tells.

    By the speed measured so far, before the first epoch by that of other jobs, and by the work of those that
    wait or run beside it. `since`: how many seconds ago the worker said how far it was.
    """
    if job.done:
        return None
    left = seconds_left(job, forecast.pace if forecast else None)
    if left is None:
        return None
    most = job.spec.get("training", {}).get("max_seconds")
    left = max(0.0, (left if most is None else min(left, most - job.seconds)) - since)
    if job.status == Status.RUNNING:
        return forecast.end_of_running(left) if forecast else left
    if forecast is None:
        return None
    place, ahead = Place(job.priority, job.turn, job.id), None if position is None else position - 1
    return forecast.end_of_queued(place, left, ahead)


def progress(
    job: Job, since: float = 0.0, forecast: Forecast | None = None, position: int | None = None
) -> dict[str, Any]:
    """How far a job is; a job that ended early has done all it will."""
    fraction = 1.0 if job.status == Status.SUCCEEDED else job.epoch / job.epochs
    eta = eta_seconds(job, since, forecast, position)
    return {"fraction": fraction, "epoch": job.epoch, "epochs": job.epochs, "eta_seconds": eta}


def _progress(job: Job) -> dict[str, Any]:
    return progress(job, forecast=running().outlook.forecast)


def wait_seconds(document: Mapping[str, Any], jobs_a_second: float, most: float, waited: float) -> int:
    """Seconds until a job may have changed: until it is its turn, or half the time that it still needs.

    At most `most`: a cancel, or an early stop, should not be missed for longer. At the head of the queue no
    longer than it has waited: where workers were idle, the speed of the last minute is not theirs.
    """
    position, eta = document["queue_position"], document["progress"]["eta_seconds"]
    wait = (eta or 0) / 2 if position is None else position / jobs_a_second
    if position is not None and position <= NEXT:
        wait = min(wait, waited)
    return max(1, ceil(min(wait, most)))


def retry_after(document: Mapping[str, Any]) -> int:
    """When a look at the job of a document is worth it, by the speed with which jobs end."""
    most, jobs_a_second = running().settings.max_retry_seconds, running().outlook.jobs_a_second
    since = datetime.fromisoformat(document["transitions"][-1]["at"])
    return wait_seconds(document, jobs_a_second, most, (datetime.now(UTC) - since).total_seconds())


def failure(job: Job) -> dict[str, Any] | None:
    """Why a job failed: a problem document with the member `message`, which pollers of other makes read."""
    if job.error is None:
        return None
    error = job.error
    document = problem_document(str(error["code"]), str(error["detail"]), hint=str(error.get("hint", "")))
    return {**error, **document, "message": document["detail"]}


def links(job: Job) -> dict[str, str]:
    """Where to go on from a job."""
    here = f"/api/v1/jobs/{job.id}"
    found = {"self": here} | {name: f"{here}/{name}" for name in ("history", "events", "result")}
    found["dataset"] = f"/api/v1/datasets/{job.dataset_id}"
    if not job.done:
        found |= {name: f"{here}/{name}" for name in ("cancel", "stop")}
    if job.status in {Status.FAILED, Status.CANCELED}:
        found["resume"] = f"{here}/resume"
    if job.kind == "batch_prediction" and job.status == Status.SUCCEEDED:
        found["output"] = f"{here}/output"
    if job.webhook is not None:
        found["deliveries"] = f"{here}/deliveries"
    if job.model_id is not None:
        found["model"] = f"/api/v1/models/{job.model_id}"
    return found


class TransitionSchema(Answer):
    """One move of a job."""

    status = fields.String(required=True, metadata={"enum": list(Status)})
    at = Moment(required=True)
    reason = fields.String(required=True)


class JobSchema(Answer):
    """A job as lists show it."""

    id = fields.String(required=True)
    kind = fields.String(
        required=True, metadata={"enum": ["train", "batch_prediction", "evaluation", "validation"]}
    )
    name = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, attribute="shown_status", metadata={"enum": list(STATUSES)})
    done = fields.Boolean(required=True)
    stop_requested = fields.Boolean(
        required=True, metadata={"description": "It was asked to end early and to keep its model."}
    )
    progress = fields.Function(_progress, required=True, metadata=_PROGRESS)
    latest = fields.Raw(required=True, metadata={"type": ["object", "null"]})
    attempt = fields.Integer(required=True)
    dataset_id = fields.String(required=True)
    model_id = fields.String(required=True, allow_none=True)
    error = fields.Function(failure, required=True, metadata={"type": ["object", "null"]})
    priority = fields.String(required=True, attribute="priority_name", metadata={"enum": list(PRIORITIES)})
    metadata = fields.Raw(required=True, attribute="metadata_", metadata={"type": ["object", "null"]})
    created_at = Moment(required=True)
    started_at = Moment(required=True, allow_none=True)
    finished_at = Moment(required=True, allow_none=True)
    spec = fields.Raw(
        required=True, metadata={"type": "object", "description": "In full, defaults filled in."}
    )
    links = fields.Function(links, required=True, metadata={"type": "object"})


class _Followed(JobSchema):
    """A job whose progress is filled in afterwards, from other rows too."""

    progress = fields.Function(lambda _job: None)  # which keeps its place


_JOB, _LISTED = _Followed(), JobSchema(many=True)  # to make a schema takes longer than to use it


class JobDetailSchema(JobSchema):
    """A job."""

    queue_position = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "1 is the next; beyond 500, jobs that join or leave ahead count a second late."
        },
    )
    heartbeat_age_seconds = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Since its worker was last heard of; null unless it is running."},
    )
    transitions = fields.List(fields.Nested(TransitionSchema), required=True)


def listed(found: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs as lists show them."""
    documents: list[dict[str, Any]] = _LISTED.dump(found)
    return documents


def detail(db: Source, job_id: str) -> dict[str, Any]:
    """The owner's job with what stands in other rows; raises ServiceError where there is none."""
    found = standing.look(db, owner(), job_id, count_up_to=running().outlook.near)
    if found is None:
        raise missing("job", job_id)
    return _detail(db, found)


def created_detail(db: Source, job: Job) -> dict[str, Any]:
    """Like `detail`, of a job that this transaction has created: its log need not be read."""
    return _detail(db, Standing(job, [Move(job.status, job.created_at, jobs.CREATED)], None, None))


def _detail(db: Source, found: Standing) -> dict[str, Any]:
    job, silence, outlook = found.job, found.silence, running().outlook
    if not job.done:
        outlook.foresee(db)
    document: dict[str, Any] = _JOB.dump(job)
    position = outlook.position(db, job, found.ahead)
    since = silence.of_progress if silence else 0.0
    return {
        **document,
        "progress": progress(job, since, outlook.forecast, position),
        "queue_position": position,
        "heartbeat_age_seconds": round(silence.of_life, 1) if silence else None,
        "transitions": [
            {"status": each.status, "at": moment(each.at), "reason": each.reason} for each in found.moves
        ],
    }


def find_job(db: Source, job_id: str) -> Job:
    """The owner's job; raises ServiceError where there is none."""
    job = jobs.find(db, owner(), job_id)
    if job is None:
        raise missing("job", job_id)
    return job


def polling_headers(document: Mapping[str, Any]) -> dict[str, str]:
    """Where to look for the job of a document, and when; nothing of the kind once it is done."""
    if document["done"]:
        return {}
    # Absolute, as Azure's poller needs both. `request.root_url` would be looked through for Unicode.
    here = f"{request.scheme}://{request.host}{quote(request.script_root)}"
    location = f"{here}/api/v1/jobs/{document['id']}"
    return {
        "Location": location,
        "Operation-Location": location,
        "Retry-After": str(retry_after(document)),
    }
