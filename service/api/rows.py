"""Rows of a prediction's body, whatever its media type, as an array of raw cells; and the answers wanted."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from flask import request

from engine.data.matrices import MAGIC, Array, read_arrow, read_npy, read_raw
from engine.errors import MOST_PROBLEMS, Problem
from engine.registry import hint_of
from service.api.loaded_models import Loaded
from service.api.parts import running
from service.errors import ServiceError, invalid
from service.web.bodies import read_body

RAW = "application/octet-stream"
BINARY_MEDIA_TYPES = {
    RAW: "float64, little-endian, row by row in the model's order; or a .npy file.",
    "application/x-npy": "A .npy file of floats or integers, rows by inputs.",
    "application/vnd.apache.arrow.stream": "An Arrow stream with a column for each input.",
    "application/vnd.apache.arrow.file": "An Arrow (Feather) file with a column for each input.",
}
MEMBERS = ("label", "probabilities", "scores", "value", "warnings")
BINARY_BODIES = {
    media_type: {"schema": {"type": "string", "format": "binary", "description": meaning}}
    for media_type, meaning in BINARY_MEDIA_TYPES.items()
}
RETURN_QUERY = {
    "in": "query",
    "name": "return",
    "style": "form",
    "explode": False,
    "schema": {"type": "array", "items": {"type": "string", "enum": list(MEMBERS)}},
    "description": "Which members the predictions shall have, such as ?return=label,probabilities",
}


def read_binary(loaded: Loaded, kind: str) -> Array:
    """The rows of a body of this binary media type; raises ServiceError and BadData."""
    data = read_body()
    if kind.startswith("application/vnd.apache.arrow"):
        settings = running().settings
        columns = read_arrow(data, settings.max_instances + 1, settings.max_body_bytes)
        check_count(len(next(iter(columns.values()))), "")
        return loaded.reader.read_columns(columns, "")
    matrix = (
        read_npy(data)
        if kind == "application/x-npy" or data.startswith(MAGIC)
        else read_raw(data, len(loaded.trained.inputs))
    )
    check_count(len(matrix), "")
    return loaded.reader.read_matrix(matrix)


def check_count(rows: int, pointer: str) -> None:
    """Raises ServiceError for no rows at all, and for more than a request may hold."""
    most = running().settings.max_instances
    if not 1 <= rows <= most:
        raise invalid([Problem(pointer, "out_of_range", f"a request may hold 1 to {most} rows, got {rows}")])


def wanted_members(values: Sequence[str]) -> frozenset[str] | None:
    """The members that `return` names, in one comma-separated value or several; None for all."""
    names = [name for value in values for name in value.split(",")]
    if not names:
        return None
    unknown = [name for name in names if name not in MEMBERS]
    if unknown:
        detail = f"return may name {', '.join(MEMBERS)}, got {unknown[0][:60]!r}"
        raise invalid([Problem("/return", "unknown_value", detail, hint_of(unknown[0], MEMBERS))])
    return frozenset(names)


def wanted_of_query() -> frozenset[str] | None:
    """What the query's `return` asks for, the only member that it may have."""
    if not request.environ["QUERY_STRING"]:
        return None
    strange = (name for name in request.args if name != "return")
    problems = [
        Problem(f"/{name}", "unknown_field", f"{name} is unknown; known is return")
        for name in islice(strange, MOST_PROBLEMS)
    ]
    if problems:
        raise invalid(problems)
    return wanted_members(request.args.getlist("return"))


def documents(loaded: Loaded, rows: Array, wanted: frozenset[str] | None) -> list[dict[str, Any]]:
    """One answer a row; with `warnings` where a cell lies outside what the model was trained on."""
    scores = loaded.trained.scores(loaded.reader.encode(rows))
    answers = loaded.trained.answers(scores)
    if wanted is not None:
        _check_given(wanted, answers[0])
        answers = [{name: each[name] for name in each if name in wanted} for each in answers]
    if wanted is None or "warnings" in wanted:
        for row, warnings in loaded.reader.warnings(rows).items():
            answers[row]["warnings"] = warnings
    return answers


def _check_given(wanted: frozenset[str], answer: Mapping[str, Any]) -> None:
    """Raises ServiceError where nothing would be left of the answer."""
    if not wanted & {*answer, "warnings"}:
        detail = f"this model gives {', '.join(answer)}, and return names {', '.join(sorted(wanted))}"
        raise invalid([Problem("/return", "unknown_value", detail)])


def matrix_of(loaded: Loaded, rows: Array, wanted: frozenset[str] | None) -> Array:
    """The answers as numbers: the one member that is wanted, by default value, probabilities or scores."""
    model = loaded.trained
    scores = model.scores(loaded.reader.encode(rows))
    made: Mapping[str, Callable[[], Array | None]] = {
        "value": lambda: _values(loaded, scores),
        "probabilities": lambda: model.probabilities(scores) if model.classes is not None else None,
        "scores": lambda: scores if model.classes is not None else None,
    }
    for name in made if wanted is None else wanted:
        found = made[name]() if name in made else None
        if found is not None and (wanted is None or len(wanted) == 1):
            return found
    detail = "an answer of bare numbers holds one of value, probabilities, scores that the model gives"
    raise ServiceError("not_acceptable", detail, hint="Accept application/json, or name one in ?return=")


def _values(loaded: Loaded, scores: Array) -> Array | None:
    target = loaded.trained.encoding.target
    return scores * target.scale + target.offset if loaded.trained.classes is None else None
