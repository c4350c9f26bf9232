"""The engine's refusals carry every problem, and read as sentences."""

import pickle

import pytest

from engine.errors import BadData, BadModel, BadSpec, Diverged, EngineError, Problem

PROBLEMS = (
    Problem("/optimizer/learning_rate", "out_of_range", "learning_rate must be greater than 0, got -1"),
    Problem("", "empty", "the file is empty", "send a header line"),
)


@pytest.mark.parametrize("kind", [BadSpec, BadData, BadModel])
def test_an_error_says_all_its_problems(kind: type[EngineError]) -> None:
    error = kind(PROBLEMS)
    assert error.problems == PROBLEMS
    assert str(error) == (
        "/optimizer/learning_rate: learning_rate must be greater than 0, got -1; the file is empty"
    )
    assert isinstance(error, EngineError)


def test_an_error_for_one_reason_is_of_the_class_asked() -> None:
    error = BadData.because("no rows", pointer="/rows", code="no_rows", hint="add one")
    assert type(error) is BadData
    assert error.problems == (Problem("/rows", "no_rows", "no rows", "add one"),)


def test_diverged_knows_the_epoch_and_the_remedy() -> None:
    error = Diverged(7)
    assert error.epoch == 7
    assert error.problems[0].code == "diverged"
    assert "epoch 7" in str(error)
    assert "learning rate" in error.problems[0].hint


def test_problems_are_values() -> None:
    assert Problem("/x", "a", "b") == Problem("/x", "a", "b", "")
    assert pickle.loads(pickle.dumps(PROBLEMS)) == PROBLEMS
