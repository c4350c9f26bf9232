"""Batch predictions over HTTP: a whole dataset through a model, as a job whose output is a file."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from flask import Response, jsonify
from marshmallow import fields

from engine.data.profile import Profile
from engine.errors import Problem
from engine.models.batches import FORMATS
from engine.models.model import TrainedModel
from engine.registry import hint_of
from engine.spec.rules import MOST_HINTED
from service.api.evaluations import named_dataset
from service.api.idempotency import idempotent, remember
from service.api.job_documents import (
    POLLING,
    JobDetailSchema,
    created_detail,
    find_job,
    polling_headers,
)
from service.api.models import load_model
from service.api.orders import PRIORITIES, add_job, metadata_problems
from service.api.parts import owner, running
from service.errors import ServiceError, invalid
from service.storage import MissingBytes
from service.tables.jobs import Status
from service.web.bodies import JSON_MEDIA_TYPE, json_body, require_media_type
from service.web.contract import Blueprint
from service.web.schemas import Object, Schema, Text, load, shown

MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
FORMULAS = ("inert", "exact")
SENT_BYTES = 2**18


class BatchPredictionBody(Schema):
    """What is to be predicted, and how the output looks."""

    dataset_id = Text(required=True, most=40)
    format = Text(choices=FORMATS, load_default="csv")
    columns = fields.List(
        fields.String(),
        load_default=list,
        metadata={"description": "Columns of the dataset to copy beside each answer, such as the row's id."},
    )
    formulas = Text(
        choices=FORMULAS,
        load_default=FORMULAS[0],
        metadata={
            "description": "Of CSV: inert has an apostrophe before texts that a spreadsheet would run."
        },
    )
    priority = Text(choices=PRIORITIES, load_default="normal")
    metadata = Object(allow_none=True, load_default=None)


blueprint = Blueprint("batch predictions", "What models say of whole datasets.")
_REQUEST_BODY = {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": BatchPredictionBody()}}}


@blueprint.post("/models/<model>/batch-predictions")
@idempotent
@blueprint.documented(requestBody=_REQUEST_BODY)
@blueprint.answer(202, JobDetailSchema(), headers=POLLING)
def create_batch_prediction(model: str) -> tuple[Response, int, dict[str, str]]:
    """Queue predictions for every row of a dataset; the output is CSV or NDJSON."""
    require_media_type(JSON_MEDIA_TYPE)
    loaded = load_model(model)
    body, problems = load(BatchPredictionBody(), json_body())
    problems += metadata_problems(body.get("metadata"))
    if problems:
        raise invalid(problems)
    dataset = named_dataset(body["dataset_id"])
    profile = Profile.from_document(dataset.profile)
    if problems := _column_problems(loaded.trained, profile, body["columns"]):
        raise invalid(problems)
    with running().database.session() as db:
        job = add_job(
            db,
            owner=owner(),
            dataset_id=dataset.id,
            spec={"model_id": loaded.id, **{name: body[name] for name in ("format", "columns", "formulas")}},
            priority=body["priority"],
            metadata=body["metadata"],
            kind="batch_prediction",
            epochs=dataset.row_count,
            model_id=loaded.id,
        )
        document = created_detail(db, job)
        headers = polling_headers(document)
        answer = jsonify(document)
        remember(db, answer, 202, headers)
    running().broker.send(job.id)  # after the commit; should it fail, the sweeper sends
    return answer, 202, headers


@blueprint.get("/jobs/<job_id>/output", produces=tuple(MEDIA_TYPES.values()))
@blueprint.refuses(409, 410)
@blueprint.answer(200, description="The predictions, in the order of the dataset's rows.")
def read_job_output(job_id: str) -> Response:
    """Download what a batch prediction has made."""
    with running().database.reading() as db:
        job = find_job(db, job_id)
    if job.kind != "batch_prediction":
        detail = f"job {job_id} is of the kind {job.kind}, which has no output"
        raise ServiceError("conflict", detail, hint=f"GET /api/v1/jobs/{job_id}/result says what it made.")
    if job.status != Status.SUCCEEDED:
        raise ServiceError("job_not_done", f"job {job_id} is {job.shown_status}, it has no output")
    try:
        file = running().storage.outputs.open(job_id)
    except MissingBytes as error:
        raise ServiceError("gone", str(error)) from None
    name = f"{job_id}.{job.spec['format']}"
    return Response(
        _sent(file),
        mimetype=MEDIA_TYPES[job.spec["format"]],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while data := file.read(SENT_BYTES):
            yield data


def _column_problems(model: TrainedModel, profile: Profile, copied: list[str]) -> list[Problem]:
    """Columns that the dataset lacks, of the model's inputs and of those to copy; and one copied twice."""
    there, problems = frozenset(profile.names), []
    wanted = [("/dataset_id", each.name) for each in model.inputs] + [("/columns", name) for name in copied]
    for pointer, name in islice((each for each in wanted if each[1] not in there), MOST_HINTED):
        detail = f'the dataset has no column "{name}"'
        problems.append(Problem(pointer, "unknown_column", detail, hint_of(name, profile.names)))
    if not problems and len(set(copied)) < len(copied):
        twice = Counter(copied).most_common(1)[0][0]
        detail = f"columns names {shown(twice)} more than once"
        problems.append(Problem("/columns", "duplicate_name", detail, "Name each column once."))
    return problems
