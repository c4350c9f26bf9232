"""Models as plain facts."""

from __future__ import annotations

import pytest

from engine.export.portable import Portable, first_positions
from tests.engine.export.cases import CASES, model_of


@pytest.mark.parametrize("case", CASES)
def test_the_self_test_row_is_one_that_the_model_answers(case: str) -> None:
    test = Portable(model_of(case)).self_test
    answer = model_of(case).predict([test.instance])[0]
    assert test.answer == answer
    assert test.scores == answer.get("scores", test.scores)


def test_inputs_begin_where_the_ones_before_end() -> None:
    portable = Portable(model_of("gaps"))
    widths = [each.width for each in portable.inputs]
    assert first_positions(portable) == [sum(widths[:i]) for i in range(len(widths))]
    assert sum(widths) == model_of("gaps").encoding.width
