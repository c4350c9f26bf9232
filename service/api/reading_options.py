"""How a file is to be read, as its sender says: types of columns, and what stands for nothing."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import orjson

from engine.data.reading.options import NULLS, Reading
from engine.errors import MOST_PROBLEMS, Problem
from service.errors import invalid
from service.web.schemas import escape, shown

MEMBERS = ("types", "nulls")
TYPES = ("number", "boolean", "category")


def read_options(texts: Mapping[str, str]) -> Reading:
    """The reading that a query or a form asks for, in JSON texts; raises ServiceError."""
    problems: list[Problem] = []
    reading = reading_of(parsed_options(texts, problems), problems)
    if problems:
        raise invalid(problems)
    return reading


def parsed_options(texts: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    """The members that a query or a form gives as JSON texts."""
    options = {}
    for name in MEMBERS:
        if name not in texts:
            continue
        try:
            options[name] = orjson.loads(texts[name])
        except orjson.JSONDecodeError:
            detail = f"{name} must be JSON, got {shown(texts[name])}"
            hint = """{"zip": "category"} for types, ["NA", "-99"] for nulls."""
            problems.append(Problem(f"/{name}", "not_json", detail, hint))
    return options


def reading_of(options: Mapping[str, Any], problems: list[Problem]) -> Reading:
    """The reading that the members `types` and `nulls` ask for; what is wrong with them becomes problems."""
    types, nulls = options.get("types", {}), options.get("nulls")
    found = _problems_of_types(types) + _problems_of_nulls(nulls)
    problems += found
    if found:
        return Reading()
    return Reading(types, NULLS if nulls is None else frozenset(nulls))


def _problems_of_types(types: Any) -> list[Problem]:
    if not isinstance(types, dict):
        return [Problem("/types", "wrong_type", f"types must be an object, got {shown(types)}")]
    wrong = ((name, each) for name, each in types.items() if each not in TYPES)
    return [
        Problem(
            f"/types/{escape(name)}",
            "unknown_name",
            f"a type is one of {', '.join(TYPES)}, got {shown(each)}",
        )
        for name, each in islice(wrong, MOST_PROBLEMS)
    ]


def _problems_of_nulls(nulls: Any) -> list[Problem]:
    if nulls is None or (isinstance(nulls, list) and all(isinstance(each, str) for each in nulls)):
        return []
    return [Problem("/nulls", "wrong_type", f"nulls must be an array of texts, got {shown(nulls)}")]
