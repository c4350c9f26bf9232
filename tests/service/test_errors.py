"""Kinds of errors and their documents."""

from engine.errors import MOST_PROBLEMS, Problem
from service.error_kinds import KINDS
from service.errors import ServiceError, invalid, problem_document


def test_many_problems_are_summed_up_and_all_listed() -> None:
    error = invalid([Problem(f"/{i}", "wrong_type", f"fact {i}", f"hint {i}" if i else "") for i in range(5)])
    assert error.detail == "fact 0; fact 1; fact 2; and 2 more"
    assert error.hint == "hint 1"
    assert len(error.errors) == 5
    assert error.status == 422


def test_a_document_leaves_out_what_it_does_not_know() -> None:
    document = problem_document("not_found", "there is nothing")
    assert document["type"] == "/problems/not_found"
    assert document["hint"] == KINDS["not_found"].remedy
    assert not {"errors", "instance"} & document.keys()
    errors = problem_document("not_found", "x", errors=[Problem("/a", "b", "c")])["errors"]
    assert errors == [{"pointer": "/a", "code": "b", "detail": "c"}]


def test_a_code_of_a_job_without_a_page_of_its_own_leads_to_the_failed_jobs_page() -> None:
    document = problem_document("martians", "they came")
    assert (document["type"], document["code"], document["status"]) == (
        "/problems/job_failed",
        "martians",
        409,
    )


def test_a_status_may_be_given_apart_from_the_code() -> None:
    assert ServiceError("internal_error", "x", status=409).status == 409


def test_one_answer_tells_so_many_problems_and_counts_the_others() -> None:
    problems = [Problem(f"/{number}", "wrong_type", f"{number} is wrong") for number in range(500)]
    error = invalid(problems)
    document = problem_document(error.code, error.detail, errors=error.errors)
    assert len(document["errors"]) == MOST_PROBLEMS
    assert document["detail"].endswith("and at least 497 more")
