"""Models behind the doors that other clients know: Open Inference Protocol V2, and KServe's V1."""

from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
from flask import Response, jsonify, request
from marshmallow import fields

from engine.data.matrices import Array
from engine.errors import Problem
from engine.models.derivatives import derivatives
from engine.models.instances import MAX_PROBLEMS
from engine.models.model import TrainedModel
from engine.registry import hint_of
from engine.spec.resolve import class_text
from service.api.loaded_models import Loaded
from service.api.models import find_model, load_model
from service.api.parts import owner, running
from service.api.predictions import read_instances, read_object
from service.api.rows import RAW, check_count, documents
from service.api.tensors import InferenceRequest, Numbers, Tensor, read_request, write_response
from service.errors import invalid
from service.scopes import Scope
from service.tables import models
from service.tables.models import Wanted
from service.web.bodies import JSON_MEDIA_TYPE, json_body, read_body, read_json, require_media_type
from service.web.contract import Blueprint
from service.web.schemas import Answer, shown

HEADER_LENGTH = "Inference-Header-Content-Length"
INPUT = "input"
_DATATYPES = {"number": "FP64", "boolean": "BOOL", "category": "BYTES"}
_TENSORS = {"type": "array", "items": {"type": "object"}}
_BODY = {
    "required": True,
    "content": {
        JSON_MEDIA_TYPE: {
            "schema": {"type": "object", "required": ["inputs"], "properties": {"inputs": _TENSORS}}
        },
        RAW: {"schema": {"type": "string", "format": "binary"}},
    },
}
_ROWS = {
    "type": "object",
    "required": ["instances"],
    "properties": {"instances": {"type": "array", "items": {}}},
}
_V1_BODY = {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": _ROWS}}}


class AnyObject(Answer):
    """What the protocol's own document describes."""

    name = fields.String()


blueprint = Blueprint("inference", "The Open Inference Protocol, version 2.", prefix="/v2")
kserve = Blueprint("kserve", "KServe's protocol, version 1.", prefix="/v1/models")


@blueprint.get("")
@blueprint.answer(200, AnyObject())
def read_server() -> Response:
    """Say which server this is, and which extensions it knows."""
    extensions = ["binary_tensor_data", "model_repository"]
    return jsonify({"name": "gradhouse", "version": version("gradhouse"), "extensions": extensions})


@blueprint.get("/health/live", scope=Scope.PUBLIC)
@blueprint.answer(200, AnyObject())
def read_live() -> Response:
    """Say that this process answers."""
    return jsonify({"live": True})


@blueprint.get("/health/ready", scope=Scope.PUBLIC)
@blueprint.answer(200, AnyObject())
def read_ready() -> Response:
    """Say that predictions can be had: the database answers."""
    with running().database.reading() as db:
        models.page(db, owner(), limit=1)
    return jsonify({"ready": True})


@blueprint.post("/repository/index", scope=Scope.READ)
@blueprint.answer(200, description="An array of models, each with its version and state.")
def list_repository() -> Response:
    """List the models that can be asked, newest first."""
    with running().database.reading() as db:
        found = models.page(db, owner(), limit=1_000).items
    listed = [(each.name or each.id, str(each.version)) for each in found]
    return jsonify([{"name": n, "version": v, "state": "READY", "reason": ""} for n, v in listed])


@blueprint.get("/models/<model>")
@blueprint.answer(200, AnyObject())
def read_tensors(model: str) -> Response:
    """Describe a model's tensors."""
    return _metadata(model, model)


@blueprint.get("/models/<model>/versions/<number>")
@blueprint.answer(200, AnyObject())
def read_version_tensors(model: str, number: str) -> Response:
    """Describe the tensors of a model's version."""
    return _metadata(model, f"{model}@{number}")


@blueprint.get("/models/<model>/ready")
@blueprint.answer(200, AnyObject())
def read_model_ready(model: str) -> Response:
    """Say that a model can be asked; 503 while it is being trained."""
    load_model(model)
    return jsonify({"name": model, "ready": True})


@blueprint.get("/models/<model>/versions/<number>/ready")
@blueprint.answer(200, AnyObject())
def read_version_ready(model: str, number: str) -> Response:
    """Say that a model's version can be asked."""
    load_model(f"{model}@{number}")
    return jsonify({"name": model, "ready": True})


@blueprint.post("/models/<model>/infer", produces=(JSON_MEDIA_TYPE, RAW), scope=Scope.READ)
@blueprint.documented(requestBody=_BODY)
@blueprint.answer(200, AnyObject())
def infer(model: str) -> Response:
    """Predict for tensors."""
    return _infer(model, model)


@blueprint.post("/models/<model>/versions/<number>/infer", produces=(JSON_MEDIA_TYPE, RAW), scope=Scope.READ)
@blueprint.documented(requestBody=_BODY)
@blueprint.answer(200, AnyObject())
def infer_version(model: str, number: str) -> Response:
    """Predict for tensors by a model's version."""
    return _infer(model, f"{model}@{number}")


@kserve.get("/<colonless:model>")
@kserve.answer(200, AnyObject())
def read_v1_ready(model: str) -> Response:
    """Say that a model can be asked."""
    load_model(model)
    return jsonify({"name": model, "ready": True})


@kserve.post("/<model>:predict", scope=Scope.READ)
@kserve.documented(requestBody=_V1_BODY)
@kserve.answer(200, AnyObject())
def predict_v1(model: str) -> Response:
    """Predict for instances."""
    body = json_body()
    loaded = load_model(model)
    rows = loaded.reader.read(read_instances(read_object(body)))
    return jsonify({"predictions": documents(loaded, rows, None)})


@kserve.post("/<model>:explain", scope=Scope.READ)
@kserve.documented(requestBody=_V1_BODY)
@kserve.answer(200, AnyObject())
def explain_v1(model: str) -> Response:
    """Explain predictions by the exact derivative of each by every input."""
    body = json_body()
    loaded = load_model(model)
    found = derivatives(loaded.trained, read_instances(read_object(body)))
    explained = zip(found.outputs, found.values, found.gradients, strict=True)
    return jsonify({"explanations": [{"output": o, "value": v, "gradients": g} for o, v, g in explained]})


def _metadata(name: str, reference: str) -> Response:
    loaded = load_model(reference)
    with running().database.reading() as db:
        row = find_model(db, loaded.id)
        wanted = Wanted(name=row.name)
        versions = models.page(db, owner(), limit=1_000, wanted=wanted).items if row.name else [row]
    document = {
        "name": name,
        "versions": [str(each.version) for each in reversed(versions)],
        "platform": "gradhouse",
        "inputs": _input_tensors(loaded.trained),
        "outputs": _output_tensors(loaded.trained),
    }
    return jsonify(document)


def _input_tensors(model: TrainedModel) -> list[dict[str, Any]]:
    if all(each.type == "number" for each in model.inputs):
        return [{"name": INPUT, "datatype": "FP64", "shape": [-1, len(model.inputs)]}]
    return [{"name": each.name, "datatype": _DATATYPES[each.type], "shape": [-1, 1]} for each in model.inputs]


def _output_tensors(model: TrainedModel) -> list[dict[str, Any]]:
    if model.classes is None:
        return [{"name": "value", "datatype": "FP64", "shape": [-1, 1]}]
    scores = {"name": "scores", "datatype": "FP64", "shape": [-1, model.layers[-1].units]}
    label = {"name": "label", "datatype": "BYTES", "shape": [-1]}
    probabilities = {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(model.classes)]}
    likely = model.probabilities(np.zeros((1, model.layers[-1].units))) is not None
    return [probabilities, scores, label] if likely else [scores, label]


def _infer(name: str, reference: str) -> Response:
    if request.mimetype:  # Triton's client sends none
        require_media_type(JSON_MEDIA_TYPE, RAW)
    loaded = load_model(reference)
    header_length = request.headers.get(HEADER_LENGTH)
    data = read_json() if header_length is None else read_body()
    asked = read_request(data, header_length, most=len(loaded.trained.inputs))
    outputs = _outputs(loaded, _rows(loaded, asked.inputs))
    wanted = _wanted(asked, outputs)
    head = {"model_name": name, "model_version": str(loaded.version)}
    if asked.id is not None:
        head["id"] = asked.id
    body, length = write_response(head, {each: outputs[each] for each in wanted}, wanted)
    if length is None:
        return Response(body, mimetype=JSON_MEDIA_TYPE)
    return Response(body, mimetype=RAW, headers={HEADER_LENGTH: str(length)})


def _wanted(asked: InferenceRequest, outputs: dict[str, Numbers | list[str]]) -> dict[str, bool]:
    if asked.outputs is None:
        return dict.fromkeys(outputs, asked.binary)
    unknown = [name for name in asked.outputs if name not in outputs]
    if unknown:
        detail = f"the model has no output {shown(unknown[0])}; its outputs are {', '.join(outputs)}"
        raise invalid([Problem("/outputs", "unknown_value", detail)])
    return asked.outputs


def _rows(loaded: Loaded, tensors: list[Tensor]) -> Array:
    """The raw rows of one tensor of numbers, or of a tensor for each column; raises ServiceError, BadData."""
    first = tensors[0]
    names = [each.name for each in loaded.trained.inputs]
    if len(tensors) == 1 and first.name == INPUT and not (first.name in names and len(first.shape) == 1):
        if len(first.shape) != 2 or isinstance(first.cells, list):
            detail = f"{INPUT} must be numbers of shape [rows, {len(names)}], got {list(first.shape)}"
            raise invalid([Problem("/inputs/0/shape", "wrong_count", detail)])
        check_count(first.shape[0], "/inputs/0/shape")
        return loaded.reader.read_matrix(first.cells.reshape(first.shape).astype(np.float64))
    strange = (i for i, each in enumerate(tensors) if each.name not in names)
    if problems := [_strange_input(i, tensors[i].name, names) for i in islice(strange, MAX_PROBLEMS)]:
        raise invalid(problems)
    count = first.shape[0]
    for i, each in enumerate(tensors):
        if each.shape not in ((count,), (count, 1)):
            detail = (
                f"a column's tensor must have the shape [{count}] or [{count}, 1], got {list(each.shape)}"
            )
            raise invalid([Problem(f"/inputs/{i}/shape", "wrong_count", detail)])
    check_count(count, "/inputs/0/shape")
    return loaded.reader.read_columns({each.name: _cells(each) for each in tensors}, "/inputs")


def _strange_input(i: int, name: str, names: list[str]) -> Problem:
    known = f"{INPUT} of shape [rows, {len(names)}], or one tensor for each of {', '.join(names[:8])}"
    detail = f"the model has no input {shown(name)}; it has {known}{', …' if len(names) > 8 else ''}"
    return Problem(f"/inputs/{i}/name", "unknown_value", detail, hint_of(name, (INPUT, *names)))


def _cells(tensor: Tensor) -> list[Any]:
    if isinstance(tensor.cells, list):
        return tensor.cells
    cells: list[Any] = tensor.cells.tolist()
    return cells if tensor.datatype == "BOOL" else [None if cell != cell else cell for cell in cells]


def _outputs(loaded: Loaded, rows: Array) -> dict[str, Numbers | list[str]]:
    model = loaded.trained
    scores = model.scores(loaded.reader.encode(rows))
    if model.classes is None:
        target = model.encoding.target
        return {"value": scores * target.scale + target.offset}
    probabilities = model.probabilities(scores)
    found: dict[str, Numbers | list[str]] = {} if probabilities is None else {"probabilities": probabilities}
    labels = [class_text(each["label"]) for each in model.answers(scores)]
    return {**found, "scores": scores, "label": labels}
