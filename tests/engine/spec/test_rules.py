"""Rules: what each reads, what it refuses and in which words."""

import json
from typing import Any

import pytest

from engine.errors import MOST_PROBLEMS
from engine.spec.rules import (
    MOST_HINTED,
    UNSET,
    Boolean,
    ListOf,
    Nullable,
    Number,
    OneOf,
    Report,
    Rule,
    Text,
    is_unset,
    shown,
)


def read(rule: Rule, value: Any, pointer: str = "/a/rate") -> Any:
    report = Report()
    made = rule.read(value, pointer, report)
    assert is_unset(made) == bool(report)
    return report[0] if report else made


@pytest.mark.parametrize(
    ("rule", "value", "made"),
    [
        (Number(0, 1), 1, 1.0),
        (Number(0, 1), 0, 0.0),
        (Number(whole=True), 3.0, 3),
        (Number(whole=True), -3, -3),
        (Number(), 1e308, 1e308),
        (Boolean(), False, False),
        (Text(), "é", "é"),
        (OneOf("shape", ("round", "square")), "round", "round"),
        (Nullable(Boolean()), None, None),
        (Nullable(Boolean()), True, True),
        (ListOf(Number()), [1, 2], (1.0, 2.0)),
        (ListOf(Number()), (), ()),
    ],
)
def test_what_a_rule_allows_is_read(rule: Rule, value: Any, made: Any) -> None:
    assert read(rule, value) == made
    assert type(read(rule, value)) is type(made)


@pytest.mark.parametrize(
    ("rule", "value", "code", "detail"),
    [
        (Number(0, 1), 2, "out_of_range", "rate must lie between 0 and 1, got 2"),
        (Number(0, 1), -1e-9, "out_of_range", "rate must lie between 0 and 1, got -1e-09"),
        (Number(0, 1, above=True), 0, "out_of_range", "rate must be greater than 0 and at most 1, got 0"),
        (Number(1), 0, "out_of_range", "rate must be at least 1, got 0"),
        (Number(0, above=True), -2, "out_of_range", "rate must be greater than 0, got -2"),
        (Number(), float("nan"), "wrong_type", "rate must be a finite number, got nan"),
        (Number(), float("inf"), "wrong_type", "rate must be a finite number, got inf"),
        (Number(), True, "wrong_type", "rate must be a number, got true"),
        (Number(), "1", "wrong_type", 'rate must be a number, got "1"'),
        (Number(), None, "wrong_type", "rate must be a number, got null"),
        (Number(whole=True), 1.5, "wrong_type", "rate must be an integer, got 1.5"),
        (Boolean(), 1, "wrong_type", "rate must be true or false, got 1"),
        (Text(3), "abcd", "out_of_range", "rate must have 1 to 3 characters, got 4"),
        (Text(3), "", "out_of_range", "rate must have 1 to 3 characters, got 0"),
        (Text(3), "a\nb", "invalid_text", "rate must not hold control characters"),
        (Text(3), 5, "wrong_type", "rate must be text, got 5"),
        (OneOf("shape", ("round",)), "rond", "unknown_name", 'unknown shape "rond"; known are round'),
        (OneOf("shape", ("round",)), ["round"], "wrong_type", "rate must be one of round, got ['round']"),
        (ListOf(Number(), 2, 2), [1], "out_of_range", "rate must have 2 to 2 elements, got 1"),
        (ListOf(Number()), {"0": 1}, "wrong_type", "rate must be a list, got {'0': 1}"),
    ],
)
def test_what_it_forbids_is_named_with_the_bound(rule: Rule, value: Any, code: str, detail: str) -> None:
    problem = read(rule, value)
    assert (problem.pointer, problem.code, problem.detail) == ("/a/rate", code, detail)


def test_an_integer_beyond_float64_is_refused() -> None:
    assert read(Number(), 10**400).code == "wrong_type"
    assert read(Number(whole=True), -(10**400)).code == "wrong_type"


def test_a_misspelt_name_gets_a_hint() -> None:
    assert read(OneOf("shape", ("round", "square")), "sqare").hint == 'did you mean "square"?'


def test_a_list_reports_each_element() -> None:
    report = Report()
    assert ListOf(Number(0, 1)).read([0, 2, "x", 1], "/l", report) is UNSET
    assert [problem.pointer for problem in report] == ["/l/1", "/l/2"]


def test_values_are_shown_as_json_has_them_and_shortened() -> None:
    assert [shown(v) for v in (None, True, 1.5, "a")] == ["null", "true", "1.5", '"a"']
    assert len(shown("x" * 1000)) == 60
    assert shown(float("nan")) == "nan"


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        (Number(0, 1), {"type": "number", "minimum": 0, "maximum": 1}),
        (Number(0, above=True, whole=True), {"type": "integer", "exclusiveMinimum": 0}),
        (Boolean(), {"type": "boolean"}),
        (Text(9), {"type": "string", "minLength": 1, "maxLength": 9}),
        (OneOf("n", ("a", "b")), {"type": "string", "enum": ["a", "b"]}),
        (Nullable(Boolean()), {"anyOf": [{"type": "boolean"}, {"type": "null"}]}),
        (
            ListOf(Boolean(), 1, 2),
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        ),
    ],
)
def test_every_rule_describes_itself(rule: Rule, schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(rule.schema())) == schema


def test_a_report_keeps_the_first_problems_and_looks_for_what_the_very_first_meant() -> None:
    report = Report()
    for i in range(MOST_PROBLEMS + 5):
        assert report.hint_of("epoch", ["epochs"]) == ('did you mean "epochs"?' if i < MOST_HINTED else "")
        assert report.is_full == (i >= MOST_PROBLEMS)
        report.add(f"/{i}", "unknown_field", f"fact {i}")
    assert [problem.pointer for problem in report] == [f"/{i}" for i in range(MOST_PROBLEMS)]
