"""An error as this service answers it: its kind, its facts, its document. Knows no HTTP library."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import MOST_PROBLEMS, Problem
from service.error_kinds import KINDS
from service.error_kinds.kind import Kind


class ServiceError(Exception):
    """A request that is refused: a kind of error, the fact in words, and each single problem."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        hint: str = "",
        errors: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.hint = code, detail, hint
        self.status = status or kind_of(code).status
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(problems: Sequence[Problem]) -> ServiceError:
    """The error for content that was understood and is wrong, with all its problems."""
    shown = "; ".join(problem.detail for problem in problems[:3])
    least = "at least " if len(problems) >= MOST_PROBLEMS else ""  # no more were looked for
    more = f"; and {least}{len(problems) - 3} more" if len(problems) > 3 else ""
    hint = next((problem.hint for problem in problems if problem.hint), "")
    return ServiceError("validation_failed", shown + more, hint=hint, errors=problems)


def kind_of(code: str) -> Kind:
    """The kind that a code names; a code without a page of its own is a failed job's."""
    return KINDS.get(code) or KINDS["job_failed"]


def problem_document(
    code: str, detail: str, *, hint: str = "", instance: str | None = None, errors: Sequence[Problem] = ()
) -> dict[str, Any]:
    """The RFC 9457 document of an error, with the members this service adds."""
    kind = kind_of(code)
    document: dict[str, Any] = {
        "type": f"/problems/{code if code in KINDS else 'job_failed'}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
        "hint": hint or kind.remedy,
    }
    if instance is not None:
        document["instance"] = instance
    if errors:
        document["errors"] = [_error_document(problem) for problem in errors[:MOST_PROBLEMS]]
    return document


def _error_document(problem: Problem) -> dict[str, str]:
    document = {"pointer": problem.pointer, "code": problem.code, "detail": problem.detail}
    return {**document, "hint": problem.hint} if problem.hint else document
