"""Jobs over HTTP: post one, watch it, cancel it, follow it to its model."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Response, jsonify, redirect, request
from marshmallow import fields
from werkzeug.wrappers import Response as AnyResponse

from engine.data.table import Profile
from service.api.orders import PRIORITIES, Order, body_schema, read_order, unknown_dataset
from service.api.parts import missing, owner, running
from service.errors import ServiceError, invalid, problem_document
from service.tables import datasets, jobs, models
from service.tables.base import Transaction
from service.tables.jobs import Job, Status
from service.web.bodies import json_body
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, page_response, page_schema
from service.web.preferences import wait_for
from service.web.schemas import Answer, Moment, Text, moment

POLL_SECONDS = "1"
_PROGRESS = {
    "type": "object",
    "required": ["fraction", "epoch", "epochs", "eta_seconds"],
    "properties": {
        "fraction": {"type": "number", "minimum": 0, "maximum": 1},
        "epoch": {"type": "integer"},
        "epochs": {"type": "integer"},
        "eta_seconds": {"type": ["number", "null"]},
    },
}
STATUSES = (*(status.value for status in Status), "canceling")


def progress(job: Job) -> dict[str, Any]:
    """How far a job is; a job that ended early has done all it will."""
    fraction = 1.0 if job.status == Status.SUCCEEDED else job.epoch / job.epochs
    started = job.epoch > 0 and not job.done
    eta = job.seconds / job.epoch * (job.epochs - job.epoch) if started else None
    return {"fraction": fraction, "epoch": job.epoch, "epochs": job.epochs, "eta_seconds": eta}


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
    found = {"self": here, "history": f"{here}/history", "result": f"{here}/result"}
    found["dataset"] = f"/api/v1/datasets/{job.dataset_id}"
    if not job.done:
        found["cancel"] = f"{here}/cancel"
    if job.model_id is not None:
        found["model"] = f"/api/v1/models/{job.model_id}"
    return found


class JobQuery(PageQuery):
    """Which jobs to list."""

    status = Text(choices=STATUSES)
    dataset_id = Text(load_default=None)
    name = Text(load_default=None)


class TransitionSchema(Answer):
    """One move of a job."""

    status = fields.String(required=True, metadata={"enum": list(Status)})
    at = Moment(required=True)


class JobSchema(Answer):
    """A job as lists show it."""

    id = fields.String(required=True)
    kind = fields.String(required=True, metadata={"enum": ["train", "batch_prediction", "evaluation"]})
    name = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, attribute="shown_status", metadata={"enum": list(STATUSES)})
    done = fields.Boolean(required=True)
    progress = fields.Function(progress, required=True, metadata=_PROGRESS)
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


class JobDetailSchema(JobSchema):
    """A job."""

    queue_position = fields.Integer(
        required=True, allow_none=True, metadata={"description": "1 is the next."}
    )
    transitions = fields.List(fields.Nested(TransitionSchema), required=True)


class ValidationSchema(Answer):
    """What a job's body would do."""

    valid = fields.Boolean(required=True)
    parameters = fields.Integer(required=True, metadata={"description": "Of the network."})
    spec = fields.Raw(required=True, metadata={"type": "object"})
    estimated_seconds = fields.Float(required=True, allow_none=True)


blueprint = Blueprint("jobs", "Trainings: queued, watched, canceled.")


_REQUEST_BODY = {"required": True, "content": {"application/json": {"schema": body_schema()}}}
_POLLING = {
    "Retry-After": {"description": "Seconds until a look is worth it.", "schema": {"type": "integer"}}
}


@blueprint.post("/jobs")
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.answer(202, JobDetailSchema(), headers=_POLLING)
def create_job() -> tuple[Response, int, dict[str, str]]:
    """Queue a training."""
    order = _order()  # checked before the transaction: writers wait for one another
    with running().database.session() as db:
        job = _add(db, order)
        answer = detail(db, job)
    running().broker.send(job.id)  # after the commit; should it fail, the sweeper sends
    return jsonify(answer), 202, _headers_of(job)


def _order() -> Order:
    document = json_body()
    with running().database.reading() as db:
        return read_order(partial(datasets.find, db, owner()), document)


def _add(db: Transaction, order: Order) -> Job:
    if datasets.hold(db, owner(), order.dataset.id) is None:
        raise invalid([unknown_dataset(order.dataset.id)])
    return jobs.add(
        db,
        owner=owner(),
        dataset_id=order.dataset.id,
        spec=order.spec.to_document(),
        name=order.spec.model.name,
        priority=order.priority,
        metadata=order.metadata,
    )


@blueprint.post("/jobs:validate")
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.answer(200, ValidationSchema())
def validate_job() -> Response:
    """Check a job's body and fill in its defaults; nothing is queued."""
    order = _order()
    profile = Profile.from_document(order.dataset.profile)
    return jsonify(
        {
            "valid": True,
            "parameters": order.spec.parameter_count(profile),
            "spec": order.spec.to_document(),
            "estimated_seconds": None,
        }
    )


@blueprint.get("/jobs")
@blueprint.query(JobQuery())
@blueprint.answer(200, page_schema(JobSchema()))
def list_jobs(query: Mapping[str, Any]) -> Response:
    """List the jobs, newest first."""
    with running().database.reading() as db:
        page = jobs.page(db, owner(), **query)
    return page_response(JobSchema(many=True).dump(page.items), page.next)


@blueprint.get("/jobs/<job_id>")
@tagged
@blueprint.answer(200, JobDetailSchema(), headers=_POLLING)
def read_job(job_id: str) -> tuple[Response, int, dict[str, str]]:
    """Read one job; 200 as long as the id exists. `Prefer: wait=20` answers as soon as it is done."""
    headers = wait_for(partial(_is_done, job_id))
    with running().database.reading() as db:
        job = find_job(db, job_id)
        answer = detail(db, job)
    return jsonify(answer), 200, headers if job.done else {**headers, "Retry-After": POLL_SECONDS}


@blueprint.get("/jobs/<job_id>/result")
@blueprint.refuses(409, 410)
@blueprint.answer(303, description="The job has succeeded: see its model.")
@blueprint.also(202, schema=JobDetailSchema(), headers=_POLLING, description="The job is not done.")
def read_job_result(job_id: str) -> AnyResponse | tuple[Response, int, dict[str, str]]:
    """Go to what the job has made."""
    with running().database.reading() as db:
        job = find_job(db, job_id)
        if not job.done:
            return jsonify(detail(db, job)), 202, _headers_of(job)
        kept = job.model_id is not None and models.find(db, owner(), job.model_id) is not None
    if job.status != Status.SUCCEEDED:
        raise _no_result(job)
    if not kept:
        raise ServiceError("gone", f"the model {job.model_id} of job {job.id} was deleted")
    return redirect(f"/api/v1/models/{job.model_id}", 303)


@blueprint.post("/jobs/<job_id>/cancel")
@blueprint.refuses(409)
@blueprint.answer(202, JobDetailSchema(), headers=_POLLING)
@blueprint.also(200, schema=JobDetailSchema(), description="It was canceled before.")
def cancel_job(job_id: str) -> tuple[Response, int, dict[str, str]]:
    """Cancel a job: a queued one at once, a running one within a second."""
    with running().database.session() as db:
        job = find_job(db, job_id)
        again = job.cancel_requested or job.status == Status.CANCELED
        canceled = jobs.request_cancel(db, owner(), job_id) or job
        answer = detail(db, canceled)
    return jsonify(answer), 200 if again else 202, {} if canceled.done else _headers_of(canceled)


@blueprint.delete("/jobs/<job_id>")
@blueprint.refuses(409)
@blueprint.answer(204)
def delete_job(job_id: str) -> Response:
    """Delete a job that is done, with its history; its model stays."""
    with running().database.session() as db:
        if not jobs.remove(db, owner(), job_id):
            raise missing("job", job_id)
    return Response(status=204)


def _is_done(job_id: str) -> bool:
    with running().database.reading() as db:
        return find_job(db, job_id).done


def find_job(db: Transaction, job_id: str) -> Job:
    """The owner's job; raises ServiceError where there is none."""
    job = jobs.find(db, owner(), job_id)
    if job is None:
        raise missing("job", job_id)
    return job


def _headers_of(job: Job) -> dict[str, str]:
    location = f"/api/v1/jobs/{job.id}"
    operation = request.root_url.rstrip("/") + location  # Azure's pollers want it absolute
    return {"Location": location, "Operation-Location": operation, "Retry-After": POLL_SECONDS}


def _no_result(job: Job) -> ServiceError:
    error = job.error or {}
    if job.status == Status.CANCELED:
        return ServiceError("job_canceled", f"job {job.id} was canceled before it made a model")
    return ServiceError(
        str(error.get("code", "job_failed")), str(error.get("detail", "the job failed")), status=409
    )


def detail(db: Transaction, job: Job) -> dict[str, Any]:
    """A job with what stands in other tables."""
    moves = [{"status": each.status, "at": moment(each.at)} for each in jobs.transitions(db, job.id)]
    document: dict[str, Any] = JobSchema().dump(job)
    return {**document, "queue_position": jobs.queue_position(db, job), "transitions": moves}
