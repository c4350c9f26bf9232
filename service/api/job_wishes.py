"""What users ask of a job over HTTP: cancel, stop, resume, delete."""

from flask import Response, jsonify

from service.api.job_documents import POLLING, JobDetailSchema, detail, find_job, polling_headers
from service.api.orders import check_queue
from service.api.parts import missing, owner, running
from service.tables import wishes
from service.tables.jobs import Status
from service.web.contract import Blueprint

Told = tuple[Response, int, dict[str, str]]

blueprint = Blueprint("job wishes", "What users ask of a job.")


@blueprint.post("/jobs/<job_id>/cancel")
@blueprint.refuses(409)
@blueprint.answer(202, JobDetailSchema(), headers=POLLING)
@blueprint.also(200, schema=JobDetailSchema(), description="It was canceled before.")
def cancel_job(job_id: str) -> Told:
    """Cancel a job: a queued one at once, a running one within a second."""
    with running().database.session() as db:
        job = find_job(db, job_id)
        again = job.cancel_requested or job.status == Status.CANCELED
        wishes.request_cancel(db, owner(), job_id)
        document = detail(db, job_id)
    return jsonify(document), 200 if again else 202, polling_headers(document)


@blueprint.post("/jobs/<job_id>/stop")
@blueprint.refuses(409)
@blueprint.answer(202, JobDetailSchema(), headers=POLLING)
@blueprint.also(200, schema=JobDetailSchema(), description="It was stopped before.")
def stop_job(job_id: str) -> Told:
    """End a job early and keep its model, as it is at that moment."""
    with running().database.session() as db:
        again = find_job(db, job_id).stop_requested
        wishes.request_stop(db, owner(), job_id)
        document = detail(db, job_id)
    return jsonify(document), 200 if again else 202, polling_headers(document)


@blueprint.post("/jobs/<job_id>/resume")
@blueprint.refuses(409, 429)
@blueprint.answer(202, JobDetailSchema(), headers=POLLING)
def resume_job(job_id: str) -> Told:
    """Queue a canceled or failed job again: it goes on from its last checkpoint."""
    with running().database.session() as db:
        check_queue(db)
        wishes.resume(db, owner(), job_id)
        document = detail(db, job_id)
    running().broker.send(job_id)
    return jsonify(document), 202, polling_headers(document)


@blueprint.delete("/jobs/<job_id>")
@blueprint.refuses(409)
@blueprint.answer(204)
def delete_job(job_id: str) -> Response:
    """Delete a job that is done, with its history; its model stays."""
    with running().database.session() as db:
        if not wishes.remove(db, owner(), job_id):
            raise missing("job", job_id)
    running().storage.outputs.delete(job_id)
    return Response(status=204)
