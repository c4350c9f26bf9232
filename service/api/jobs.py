"""Jobs over HTTP: post one, watch it, follow it to its model."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Response, jsonify, redirect
from marshmallow import fields
from werkzeug.wrappers import Response as AnyResponse

from engine.training.estimate import estimate, reckoned_work
from service.api.idempotency import idempotent, remember
from service.api.job_documents import (
    POLLING,
    STATUSES,
    JobDetailSchema,
    JobSchema,
    created_detail,
    detail,
    find_job,
    listed,
    polling_headers,
    retry_after,
)
from service.api.orders import Order, add_job, body_schema, check_queue, read_order
from service.api.parts import owner, running
from service.errors import ServiceError
from service.scopes import Scope
from service.tables import datasets, events, jobs, models
from service.tables.base import Transaction
from service.tables.jobs import Job, Status
from service.tables.plain import Source
from service.web.bodies import json_body
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import PageQuery, page_response, page_schema
from service.web.preferences import wait_for
from service.web.schemas import Answer, Text

Told = tuple[Response, int, dict[str, str]]


class JobQuery(PageQuery):
    """Which jobs to list."""

    status = Text(choices=STATUSES)
    dataset_id = Text(load_default=None)
    name = Text(load_default=None)


class ValidationSchema(Answer):
    """What a job's body would do."""

    valid = fields.Boolean(required=True)
    parameters = fields.Integer(required=True, metadata={"description": "Of the network."})
    spec = fields.Raw(required=True, metadata={"type": "object"})
    estimated_seconds = fields.Float(
        required=True,
        metadata={"description": "If every epoch is trained; measured on this machine by a short run."},
    )
    estimated_memory_bytes = fields.Integer(required=True, metadata={"description": "At most."})


blueprint = Blueprint("jobs", "Trainings: queued, watched, canceled.")


_REQUEST_BODY = {"required": True, "content": {"application/json": {"schema": body_schema()}}}


@blueprint.post("/jobs")
@idempotent
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.refuses(409, 429)
@blueprint.answer(202, JobDetailSchema(), headers=POLLING)
def create_job() -> Told:
    """Queue a training."""
    document, outlook = json_body(), running().outlook
    with running().database.looking() as db:  # all that can be, for those who write wait for one another
        order = _order(db, document)
        outlook.foresee(db)
        outlook.measure(db)
    facts = _facts(order)
    with running().database.session() as db:
        check_queue(db)
        job = _add(db, order, facts)
        created = created_detail(db, job)
        answer = jsonify(created), 202, polling_headers(created)
        remember(db, *answer)
    running().broker.send(job.id)  # after the commit; should it fail, the sweeper sends
    return answer


def _order(db: Source, document: Any) -> Order:
    return read_order(partial(datasets.find, db, owner()), document)


def _facts(order: Order) -> dict[str, Any]:
    """What the order's job is, as the queue takes it."""
    return {
        "owner": owner(),
        "dataset_id": order.dataset.id,
        "spec": order.spec.to_document(),
        "name": order.spec.model.name,
        "priority": order.priority,
        "metadata": order.metadata,
        "webhook": order.webhook,
        "work": reckoned_work(order.spec, order.profile),
    }


def _add(db: Transaction, order: Order, facts: dict[str, Any]) -> Job:
    job = add_job(db, **facts)
    events.log_warnings(db, job.id, order.profile.warnings)
    return job


@blueprint.post("/jobs:validate", scope=Scope.READ)
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.answer(200, ValidationSchema())
def validate_job() -> Response:
    """Check a job's body and fill in its defaults; nothing is queued."""
    document = json_body()
    with running().database.looking() as db:
        order = _order(db, document)
    expected = estimate(order.spec, order.profile, order.other)
    return jsonify(
        {
            "valid": True,
            "parameters": order.spec.parameter_count(order.profile),
            "spec": order.spec.to_document(),
            "estimated_seconds": expected.seconds,
            "estimated_memory_bytes": expected.memory_bytes,
        }
    )


@blueprint.get("/jobs")
@blueprint.query(JobQuery())
@blueprint.answer(200, page_schema(JobSchema()))
def list_jobs(query: Mapping[str, Any]) -> Response:
    """List the jobs, newest first."""
    with running().database.looking() as db:
        page = jobs.page(db, owner(), **query)
        if not all(job.done for job in page.items):
            running().outlook.foresee(db)
    return page_response(listed(page.items), page.next)


@blueprint.get("/jobs/<job_id>")
@tagged
@blueprint.answer(200, JobDetailSchema(), headers=POLLING)
def read_job(job_id: str) -> Told:
    """Read one job; 200 as long as the id exists. `Prefer: wait=20` answers as soon as it is done."""
    headers = wait_for(partial(_is_done, job_id))
    with running().database.looking() as db:
        document = detail(db, job_id)
    if not document["done"]:
        headers["Retry-After"] = str(retry_after(document))
    return jsonify(document), 200, headers


@blueprint.get("/jobs/<job_id>/result")
@blueprint.refuses(409, 410)
@blueprint.answer(303, description="The job has succeeded: see its model.")
@blueprint.also(202, schema=JobDetailSchema(), headers=POLLING, description="The job is not done.")
def read_job_result(job_id: str) -> AnyResponse | Told:
    """Go to what the job has made."""
    with running().database.reading() as db:
        job = find_job(db, job_id)
        if not job.done:
            document = detail(db, job_id)
            return jsonify(document), 202, polling_headers(document)
        kept = job.model_id is not None and models.find(db, owner(), job.model_id) is not None
    if job.status != Status.SUCCEEDED:
        raise _no_result(job)
    if job.kind == "batch_prediction":
        return redirect(f"/api/v1/jobs/{job.id}/output", 303)
    if not kept:
        raise ServiceError("gone", f"the model {job.model_id} of job {job.id} was deleted")
    return redirect(f"/api/v1/models/{job.model_id}", 303)


def _is_done(job_id: str) -> bool:
    with running().database.looking() as db:
        return find_job(db, job_id).done


def _no_result(job: Job) -> ServiceError:
    error = job.error or {}
    if job.status == Status.CANCELED:
        return ServiceError("job_canceled", f"job {job.id} was canceled before it made a model")
    return ServiceError(
        str(error.get("code", "job_failed")), str(error.get("detail", "the job failed")), status=409
    )
