"""A training's way over HTTP: its snapshots, any step of it, and the network it trains."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from flask import Response, jsonify
from marshmallow import fields
from numpy.typing import NDArray

from engine.data.table import Table
from engine.errors import BadData
from engine.inside.network import network_of_model, network_of_training
from engine.inside.replay import Replay
from engine.spec import TrainingSpec
from engine.training.records.snapshots import Snapshots
from service.api.inside.choices import require_size
from service.api.job_documents import find_job
from service.api.models import load_model
from service.api.parts import owner, running
from service.errors import ServiceError
from service.storage import MissingBytes
from service.tables import datasets, snapshots
from service.tables.jobs import Job
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.conditional import tagged
from service.web.contract import Blueprint
from service.web.paging import MAX_LIMIT, MAX_ROW, page_response
from service.web.schemas import QueryInt, Schema, Text

BINARY_MEDIA_TYPE = "application/octet-stream"
FORMATS = ("json", "float32", "float64")

_NUMBERS = {"type": "array", "items": {"type": ["number", "null"]}}
_CHECKPOINT = {
    "type": "object",
    "required": ["epoch", "sha256", "parameters"],
    "properties": {
        "epoch": {"type": "integer", "description": "Epochs done; 0 is before the first."},
        "sha256": {"type": "string", "description": "Of the parameters, as of a model's."},
        "parameters": _NUMBERS,
    },
}


class CheckpointQuery(Schema):
    """Which snapshots."""

    limit = QueryInt(minimum=1, maximum=MAX_LIMIT, load_default=MAX_LIMIT)
    after = QueryInt(minimum=0, maximum=MAX_ROW, metadata={"description": "Only those after this epoch."})
    newest = QueryInt(minimum=1, maximum=MAX_LIMIT, metadata={"description": "Only so many, the last ones."})
    format = Text(
        choices=FORMATS,
        load_default="json",
        metadata={
            "description": "float32 and float64 give a 4-byte count n, n epochs as 4-byte integers, and "
            "then n vectors of parameters, all little-endian."
        },
    )


class CheckpointPage(Schema):
    """Snapshots of a training, ascending."""

    data = fields.Raw(required=True, metadata={"type": "array", "items": _CHECKPOINT})
    has_more = fields.Boolean(required=True)
    next = fields.Integer(required=True, allow_none=True)


class StepSchema(Schema):
    """One step of a training; vectors are flat: layer by layer, weights [units][inputs], then biases."""

    job_id = fields.String(required=True)
    step = fields.Integer(required=True)
    epoch = fields.Integer(required=True)
    steps_per_epoch = fields.Integer(required=True)
    learning_rate = fields.Float(required=True)
    loss = fields.Float(required=True, allow_none=True)
    parameters = fields.Raw(required=True, metadata={**_NUMBERS, "description": "Before the step."})
    gradients = fields.Raw(required=True, metadata=_NUMBERS)
    update = fields.Raw(
        required=True, metadata={**_NUMBERS, "description": "What the training added, bit for bit."}
    )
    layers = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})
    rows = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})


class NetworkSchema(Schema):
    """A network without its parameters: all else that is needed to compute its answers."""

    inputs = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})
    layers = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})
    target = fields.Raw(required=True, metadata={"type": "object"})
    classes = fields.Raw(required=True, metadata={"type": ["array", "null"], "items": {}})


blueprint = Blueprint("replay", "A training's way, step by step.")


@blueprint.get("/jobs/<job_id>/checkpoints", produces=(JSON_MEDIA_TYPE, BINARY_MEDIA_TYPE))
@blueprint.query(CheckpointQuery())
@blueprint.also(200, content_type=BINARY_MEDIA_TYPE, schema={"type": "string", "format": "binary"})
@blueprint.answer(200, CheckpointPage())
def list_checkpoints(query: Mapping[str, Any], job_id: str) -> Response:
    """List a training's snapshots: dense at first, thinner later, the first and the last always."""
    after, limit, form = query.get("after", -1), query["limit"], query["format"]
    with running().database.reading() as db:
        find_job(db, job_id)
        blocks = snapshots.read(db, job_id, after=after)
    found = _by_epoch(blocks, after)
    epochs = sorted(found)[-query.get("newest", 0) :]
    more, epochs = len(epochs) > limit, epochs[:limit]
    if form != "json":
        return Response(_packed(epochs, found, form), mimetype=BINARY_MEDIA_TYPE)
    numbers = sum(len(found[epoch][1]) for epoch in epochs)
    most = running().settings.max_derivatives
    require_size(
        numbers, most, "parameters", "max_derivatives", "ask for fewer with limit, or format float32"
    )
    rows = [
        {"epoch": epoch, "sha256": found[epoch][0], "parameters": found[epoch][1].tolist()}
        for epoch in epochs
    ]
    return page_response(rows, epochs[-1] if more else None)


@blueprint.get("/jobs/<job_id>/steps/<step>")
@tagged
@blueprint.refuses(409, 410)
@blueprint.answer(200, StepSchema())
def read_step(job_id: str, step: str) -> Response:
    """Show one step, counted from 1: parameters, gradients, the update, and what each row lost."""
    job, spec = _training(job_id)
    replay = Replay(spec, *_tables(job, spec), job.executor)
    number = _recorded_step(job, replay, step)
    with running().database.reading() as db:
        block = snapshots.nearest(db, job_id, replay.epoch_of(number))
    if block is None:
        raise _not_recorded(job, step, 0)
    try:
        view = replay.look(Snapshots.from_bytes(block.data), number)
    except BadData as error:
        raise ServiceError("conflict", error.problems[0].detail, hint=error.problems[0].hint) from None
    return Response(orjson.dumps({"job_id": job.id, **view.to_document()}), mimetype=JSON_MEDIA_TYPE)


@blueprint.get("/jobs/<job_id>/network")
@tagged
@blueprint.refuses(410)
@blueprint.answer(200, NetworkSchema())
def read_job_network(job_id: str) -> Response:
    """Show the network that a job trains: layers, and how raw inputs are scaled."""
    job, spec = _training(job_id)
    return jsonify(network_of_training(spec, *_tables(job, spec)))


@blueprint.get("/models/<model>/network")
@tagged
@blueprint.answer(200, NetworkSchema())
def read_model_network(model: str) -> Response:
    """Show a model's network: layers, and how raw inputs are scaled; parameters stand elsewhere."""
    return jsonify(network_of_model(load_model(model).trained))


def _training(job_id: str) -> tuple[Job, TrainingSpec]:
    """A job that trains, and its spec; raises ServiceError for any other."""
    with running().database.reading() as db:
        job = find_job(db, job_id)
    if job.kind != "train":
        raise ServiceError("not_found", f"job {job.id} trains no network: it is a {job.kind}")
    return job, TrainingSpec.from_document(job.spec)


def _by_epoch(
    blocks: list[snapshots.SnapshotBlock], after: int
) -> dict[int, tuple[str, NDArray[np.floating]]]:
    """Digest and parameters by epoch; blocks may overlap, and then agree."""
    found: dict[int, tuple[str, NDArray[np.floating]]] = {}
    for block in blocks:
        taken = Snapshots.from_bytes(block.data)
        rows = zip(taken.epochs, taken.digests, taken.parameters, strict=True)
        found |= {epoch: (digest, row) for epoch, digest, row in rows if epoch > after}
    return found


def _packed(epochs: list[int], found: Mapping[int, tuple[str, NDArray[np.floating]]], form: str) -> bytes:
    parts = [np.array([len(epochs), *epochs], "<u4").tobytes()]
    parts += [found[epoch][1].astype("<f4" if form == "float32" else "<f8").tobytes() for epoch in epochs]
    return b"".join(parts)


def _recorded_step(job: Job, replay: Replay, step: str) -> int:
    """The step's number; raises ServiceError for one that was not taken, or not yet."""
    done = job.epoch * (replay.steps // job.epochs)
    number = int(step) if step.isascii() and step.isdigit() and len(step) <= 18 else 0
    if not 1 <= number <= done:
        raise _not_recorded(job, step, done)
    return number


def _not_recorded(job: Job, step: str, done: int) -> ServiceError:
    fact = f"job {job.id} has no step {step}"
    if not done:
        return ServiceError("not_found", f"{fact}: none is taken yet", hint="Ask again when the job runs.")
    hint = "Ask for one of them; an epoch has the steps_per_epoch that each step names."
    return ServiceError("not_found", f"{fact}: it has steps 1 to {done}", hint=hint)


def _tables(job: Job, spec: TrainingSpec) -> tuple[Table, Table | None]:
    """The tables that a job trains on; raises ServiceError where one was deleted."""
    first = _table(job.dataset_id)
    return first, None if spec.split.dataset_id is None else _table(spec.split.dataset_id)


def _table(dataset_id: str) -> Table:
    with running().database.reading() as db:
        dataset = datasets.find(db, owner(), dataset_id)
    try:
        if dataset is not None:
            return Table.from_parquet(running().storage.read(dataset.sha256))
    except MissingBytes:
        pass
    raise ServiceError("gone", f"the dataset {dataset_id} was deleted: the training cannot be replayed")
