"""Strict fields and their complaints."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from marshmallow import fields

from engine.errors import Problem
from service.web.schemas import (
    Answer,
    Array,
    Object,
    QueryInt,
    Schema,
    StrictBool,
    StrictFloat,
    StrictInt,
    Text,
    load,
    moment,
)


class Inner(Schema):
    rate = StrictFloat(minimum=0, maximum=10)


class Outer(Schema):
    count = StrictInt(minimum=1)
    rate = StrictFloat()
    flag = StrictBool()
    name = Text(most=5)
    color = Text(choices=("red", "green"))
    items = Array()
    extra = Object()
    inner = fields.Nested(Inner)
    needed = Text(required=True)


def problems(**members: Any) -> list[Problem]:
    return load(Outer(), {"needed": "x", **members})[1]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("count", 2.0),
        ("count", "3"),
        ("count", True),
        ("rate", "3"),
        ("rate", True),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("flag", 1),
        ("flag", "true"),
        ("name", 3),
        ("items", "abc"),
        ("items", {}),
        ("extra", []),
        ("inner", []),
        ("count", None),
    ],
)
def test_no_value_is_taken_for_another(member: str, value: Any) -> None:
    [problem] = problems(**{member: value})
    assert (problem.pointer, problem.code) == (f"/{member}", "wrong_type")
    assert problem.detail.startswith(f"{member} must be ")


@pytest.mark.parametrize(
    ("member", "value", "detail"),
    [
        ("count", 0, "count must be at least 1, got 0"),
        ("inner", {"rate": 50}, "rate must lie between 0 and 10, got 50"),
        ("name", "123456", "name must have 1 to 5 characters, got 6"),
        ("name", "", "name must have 1 to 5 characters, got 0"),
        ("color", "gren", 'color must be one of red, green, got "gren"'),
    ],
)
def test_a_bound_is_named_with_what_was_found(member: str, value: Any, detail: str) -> None:
    [problem] = problems(**{member: value})
    assert problem.detail == detail
    assert problem.pointer.startswith(f"/{member}")


def test_right_values_come_out_as_they_are() -> None:
    document = {
        "count": 1,
        "rate": 2,
        "flag": False,
        "name": "é",
        "items": [1, [2]],
        "needed": "x",
        "extra": {},
    }
    assert load(Outer(), document) == (document, [])


def test_all_problems_come_at_once_with_pointers() -> None:
    read, found = load(Outer(), {"count": "1", "inner": {"rat": 1}, "nam": "x", "flag": True})
    assert {problem.pointer: problem.code for problem in found} == {
        "/count": "wrong_type",
        "/inner/rat": "unknown_field",
        "/nam": "unknown_field",
        "/needed": "missing_field",
    }
    assert read["flag"] is True


def test_a_misspelt_name_gets_a_suggestion() -> None:
    [problem] = problems(colr="red")
    assert problem.hint == 'did you mean "color"?'
    [problem] = problems(color="gren")
    assert problem.hint == 'did you mean "green"?'


def test_pointers_escape_what_means_something_in_them() -> None:
    [problem] = problems(**{"a/b~c": 1})
    assert problem.pointer == "/a~1b~0c"
    assert problem.detail.startswith("a/b~c is unknown")


def test_a_long_value_is_shown_short() -> None:
    [problem] = problems(count="x" * 10_000)
    assert len(problem.detail) < 200


@pytest.mark.parametrize("text", ["1.0", "", "x", "٣", "1e3", "9" * 30, "0x1"])
def test_a_query_holds_integers_only_where_they_are_due(text: str) -> None:
    class Query(Schema):
        limit = QueryInt(minimum=1)

    assert load(Query(), {"limit": "7"}) == ({"limit": 7}, [])
    [problem] = load(Query(), {"limit": text})[1]
    assert problem.code == "wrong_type"


def test_moments_are_written_in_utc() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=2)))
    assert moment(noon) == "2026-11-23T10:00:00.000Z"
    assert moment(datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)) == "2026-01-01T00:00:00.123Z"


class _Point(Answer):
    x = fields.Integer()
    y = fields.Integer(attribute="height")


def test_an_answer_is_made_of_documents_and_of_objects() -> None:
    made = _Point().dump([{"x": 1, "height": 2}, SimpleNamespace(x=1, height=2), {"x": 1}], many=True)
    assert made == [{"x": 1, "y": 2}, {"x": 1, "y": 2}, {"x": 1}]
