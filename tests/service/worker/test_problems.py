"""What users are told of a job's end says what happened and nothing of the host."""

import pytest

from engine.errors import BadData, BadModel, Diverged, Problem
from service.error_kinds import KINDS
from service.storage import DamagedBytes, MissingBytes
from service.worker.problems import UnreadableSpec, engine_problem, problem_of

ERRORS = [
    (Diverged(7), "diverged"),
    (MissingBytes("the dataset is gone"), "dataset_unreadable"),
    (DamagedBytes("the dataset is damaged"), "dataset_unreadable"),
    (UnreadableSpec("unknown field"), "bad_spec"),
    (BadData([Problem("/x", "missing_values", "x is empty")]), "bad_data"),
    (MemoryError(), "out_of_memory"),
    (OSError("/home/somebody/secret"), "internal_error"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: str(value)[:20])
def test_every_end_has_a_known_code_and_a_remedy(error: Exception, code: str) -> None:
    problem = problem_of(error)
    assert problem["code"] == code
    assert code in KINDS
    assert problem["detail"]
    assert "secret" not in str(problem)


def test_a_diverged_training_names_its_epoch() -> None:
    assert problem_of(Diverged(7))["epoch"] == 7


def test_a_refusal_of_the_engine_keeps_every_pointer() -> None:
    error = BadData([Problem("/a", "one", "a is bad", "mend a"), Problem("/b", "two", "b is bad")])
    problem = engine_problem(error)
    assert [each["pointer"] for each in problem["errors"]] == ["/a", "/b"]
    assert problem["hint"] == "mend a"
    assert engine_problem(BadModel([Problem("", "corrupt", "flipped")]))["code"] == "bad_checkpoint"
