"""Types and nulls as a query, a form or a JSON body give them."""

from typing import Any

import pytest

from engine.data.reading.options import NULLS
from engine.errors import Problem
from service.api.reading_options import parsed_options, read_options, reading_of
from service.errors import ServiceError


def test_texts_of_json_become_a_reading() -> None:
    reading = read_options({"types": '{"zip": "category"}', "nulls": '["-99"]', "name": "x"})
    assert (dict(reading.types), reading.nulls) == ({"zip": "category"}, frozenset({"-99"}))
    assert read_options({}).nulls == NULLS


@pytest.mark.parametrize(
    ("options", "pointer"),
    [({"types": 1}, "/types"), ({"types": {"a/b": "date"}}, "/types/a~1b"), ({"nulls": "NA"}, "/nulls")],
)
def test_what_is_wrong_has_its_pointer(options: dict[str, Any], pointer: str) -> None:
    problems: list[Problem] = []
    reading_of(options, problems)
    assert [problem.pointer for problem in problems] == [pointer]


def test_all_problems_are_told_at_once() -> None:
    problems: list[Problem] = []
    parsed_options({"types": "{", "nulls": "["}, problems)
    assert [problem.pointer for problem in problems] == ["/types", "/nulls"]
    with pytest.raises(ServiceError):
        read_options({"types": "{"})
