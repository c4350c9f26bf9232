"""The expression behind a prediction over HTTP: as a graph in three formats, and as a trace."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, request
from marshmallow import fields

from engine.inside.graphs.levels import check_size, prediction_graph, unfolded
from engine.inside.graphs.nodes import LEVELS, Graph, TooManyNodes
from engine.inside.graphs.trace import trace
from engine.models.model import TrainedModel
from engine.spec.resolve import class_text
from service.api.inside.choices import LABEL_HELP, OUTPUT_HELP, OutputSchema, output_of, query_parameters
from service.api.loaded_models import Loaded, is_fixed
from service.api.models import load_model
from service.api.parts import running
from service.api.predictions import FOREVER, ROW_QUERY, row_of_query
from service.errors import ServiceError, invalid
from service.scopes import Scope
from service.web.bodies import JSON_MEDIA_TYPE
from service.web.conditional import with_etag
from service.web.contract import Blueprint
from service.web.schemas import Anything, QueryInt, Schema, Text, load

DOT_MEDIA_TYPE = "text/vnd.graphviz"
SVG_MEDIA_TYPE = "image/svg+xml"
FORMATS = {"json": JSON_MEDIA_TYPE, "dot": DOT_MEDIA_TYPE, "svg": SVG_MEDIA_TYPE}

NODE = {
    "type": "object",
    "required": ["id", "label", "op", "operands", "data", "grad"],
    "properties": {
        "id": {"type": "integer"},
        "label": {"type": "string", "description": "x1, L1.n3.w2, L1.n3, or empty in between."},
        "op": {"type": "string", "description": "What it computes from its operands; empty for a leaf."},
        "operands": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": ["number", "null"]},
        "grad": {"type": ["number", "null"], "description": "The answer's derivative by this node."},
        "weights": {"type": "array", "items": {"type": "number"}},
        "bias": {"type": "number"},
        "sum": {"type": ["number", "null"]},
        "offset": {"type": "number"},
        "scale": {"type": "number"},
    },
}
NODES = {"type": "array", "items": NODE}
TRACE_LESS = 'trace one neuron: "neuron": "L1.n1"'


class NeuronChoice(Schema):
    """The whole network, or one neuron."""

    neuron = Text(most=40, metadata={"description": "One neuron and what goes into it, such as L2.n3."})


class GraphChoice(NeuronChoice):
    """Which graph, and how it is given."""

    level = Text(choices=LEVELS, load_default="neuron")
    format = Text(choices=tuple(FORMATS))


class GraphBody(GraphChoice, OutputSchema):
    """A row and which graph of it."""

    instance = Anything(
        required=True,
        metadata={"type": ["object", "array"], "description": "By name, or in the model's order."},
    )


class GraphQuery(GraphChoice):
    """The same choices as texts of a query."""

    output = QueryInt(minimum=0, metadata={"description": OUTPUT_HELP})
    label = Text(metadata={"description": LABEL_HELP})


class TraceBody(NeuronChoice, OutputSchema):
    """A row to trace."""

    instance = Anything(required=True, metadata={"type": ["object", "array"]})


class GraphSchema(Schema):
    """A graph in an order in which it can be evaluated, the answer last."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    level = fields.String(required=True, metadata={"enum": list(LEVELS)})
    output = fields.Integer(required=True)
    value = fields.Float(required=True)
    root = fields.Integer(required=True, metadata={"description": "The answer's id."})
    nodes = fields.Raw(required=True, metadata=NODES)


class TraceSchema(Schema):
    """A prediction step by step: forward, then backward."""

    model_id = fields.String(required=True)
    version = fields.Integer(required=True)
    output = fields.Integer(required=True)
    value = fields.Float(required=True)
    root = fields.Integer(required=True)
    nodes = fields.Raw(required=True, metadata=NODES)
    steps = fields.Raw(required=True, metadata={"type": "array", "items": {"type": "object"}})


blueprint = Blueprint("graphs", "The expression behind a prediction.")


@blueprint.post("/models/<model>/graph", produces=tuple(FORMATS.values()), scope=Scope.READ)
@blueprint.body(GraphBody())
@blueprint.also(200, content_type=DOT_MEDIA_TYPE, schema={"type": "string"})
@blueprint.also(200, content_type=SVG_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, GraphSchema())
def create_graph(body: Mapping[str, Any], model: str) -> Response:
    """Show the expression of one prediction after backward: every node's data and grad."""
    loaded = load_model(model)
    return _graph_answer(loaded, body["instance"], body, output_of(loaded.trained, body))


@blueprint.get("/models/<model>/graph", produces=tuple(FORMATS.values()))
@blueprint.documented(parameters=[ROW_QUERY, *query_parameters(GraphQuery())])
@blueprint.also(200, content_type=DOT_MEDIA_TYPE, schema={"type": "string"})
@blueprint.also(200, content_type=SVG_MEDIA_TYPE, schema={"type": "string"})
@blueprint.answer(200, GraphSchema())
def read_graph(model: str) -> Response:
    """Show the same for a row in the query; an input that is called like an option needs the POST."""
    loaded = load_model(model)
    row = row_of_query()
    names = tuple(GraphQuery().fields)
    chosen, problems = load(GraphQuery(), {name: row.pop(name) for name in names if name in row})
    if problems:
        raise invalid(problems)
    output = output_of(loaded.trained, _with_typed_label(loaded.trained, chosen))
    response = _graph_answer(loaded, loaded.trained.instance_from_text(row), chosen, output)
    response.headers["Cache-Control"] = FOREVER if is_fixed(model, loaded.id) else "private, no-cache"
    response.headers["Vary"] = "Accept, Authorization"
    return with_etag(response)


@blueprint.post("/models/<model>/trace", scope=Scope.READ)
@blueprint.body(TraceBody())
@blueprint.answer(200, TraceSchema())
def create_trace(body: Mapping[str, Any], model: str) -> Response:
    """Show how one prediction comes about and is derived, one elementary step after the other."""
    loaded = load_model(model)
    trained, output, neuron = loaded.trained, output_of(loaded.trained, body), body.get("neuron")
    try:
        check_size(trained, "scalar", neuron, running().settings.max_graph_nodes)
    except TooManyNodes as error:
        raise refused(error, "" if neuron else TRACE_LESS) from None
    found = unfolded(trained, body["instance"], neuron, output)
    return document_answer(loaded, {"output": found.output, **trace(found.root).to_document()})


def refused(error: TooManyNodes, remedy: str = "") -> ServiceError:
    """The answer to a graph over the bound."""
    problem = error.problems[0]
    return ServiceError("answer_too_large", problem.detail, hint=remedy or problem.hint)


def document_answer(loaded: Loaded, document: dict[str, Any]) -> Response:
    """The document with the model it is of."""
    body = {"model_id": loaded.id, "version": loaded.version, **document}
    return Response(orjson.dumps(body), mimetype=JSON_MEDIA_TYPE)


def drawn(graph: Graph, form: str) -> Response:
    """The graph as DOT or SVG; raises ServiceError where a picture would be too large."""
    if form == "dot":
        return Response(str(graph.dot()), mimetype=DOT_MEDIA_TYPE)
    try:
        return Response(graph.drawing(running().settings.max_drawn_nodes).svg(), mimetype=SVG_MEDIA_TYPE)
    except TooManyNodes as error:
        raise refused(error) from None


def chosen_format(chosen: Mapping[str, Any]) -> str:
    """The format that was named, or the one that the client likes best."""
    if named := chosen.get("format"):
        return str(named)
    liked = request.accept_mimetypes.best_match(list(FORMATS.values()), JSON_MEDIA_TYPE)
    return next(name for name, media_type in FORMATS.items() if media_type == liked)


def _graph_answer(loaded: Loaded, instance: Any, chosen: Mapping[str, Any], output: int | None) -> Response:
    most = running().settings.max_graph_nodes
    try:
        found = prediction_graph(
            loaded.trained, instance, chosen["level"], neuron=chosen.get("neuron"), output=output, most=most
        )
    except TooManyNodes as error:
        raise refused(error) from None
    form = chosen_format(chosen)
    return document_answer(loaded, found.to_document()) if form == "json" else drawn(found, form)


def _with_typed_label(model: TrainedModel, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choices with the label as the class that its text stands for."""
    if "label" not in chosen:
        return chosen
    known = {class_text(each): each for each in model.classes or ()}
    return {**chosen, "label": known.get(chosen["label"], chosen["label"])}
