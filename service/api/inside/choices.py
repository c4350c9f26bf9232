"""What every look into a model may choose: the output that is explained, and how large an answer may be."""

from collections.abc import Mapping
from typing import Any

from marshmallow import missing

from engine.models.derivatives import chosen_output
from engine.models.model import TrainedModel
from service.errors import ServiceError
from service.web.schemas import Anything, Schema, StrictFloat, StrictInt

OUTPUT_HELP = "Index into the model's scores; default the predicted class's."
LABEL_HELP = "A class instead of an index. A model of two classes has one score, positive for the second."
LABEL_TYPES = ["string", "number", "boolean"]
OUTPUT_MEMBERS: dict[str, Any] = {
    "output": {"type": "integer", "minimum": 0, "description": OUTPUT_HELP},
    "label": {"type": LABEL_TYPES, "description": LABEL_HELP},
}


def query_parameters(schema: Schema) -> list[dict[str, Any]]:
    """A query's fields as OpenAPI has parameters, for an endpoint that reads its query itself."""
    found = []
    for name, field in schema.fields.items():
        kind = (
            "integer"
            if isinstance(field, StrictInt)
            else "number"
            if isinstance(field, StrictFloat)
            else "string"
        )
        facts = dict(field.metadata)
        words = str(facts.pop("description", ""))
        if field.load_default is not missing:
            facts["default"] = field.load_default
        found.append({"in": "query", "name": name, "description": words, "schema": {"type": kind, **facts}})
    return found


class OutputSchema(Schema):
    """Which output is explained."""

    output = StrictInt(minimum=0, metadata={"description": OUTPUT_HELP})
    label = Anything(metadata={"type": LABEL_TYPES, "description": LABEL_HELP})


def output_of(model: TrainedModel, chosen: Mapping[str, Any]) -> int | None:
    """The output that a request names; None for the predicted class's. Raises BadData."""
    return chosen_output(model, chosen.get("output"), chosen.get("label"))


def require_size(size: int, most: int, what: str, setting: str, remedy: str) -> None:
    """Raises ServiceError for an answer over its bound."""
    if size > most:
        detail = f"the answer would hold {size} {what}, at most {most} are given (setting {setting})"
        raise ServiceError("answer_too_large", detail, hint=remedy)
