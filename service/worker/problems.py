"""What users are told of an error that ended a job."""

from typing import Any

from engine.errors import BadData, BadModel, BadSpec, Diverged, EngineError
from service.storage import DamagedBytes, MissingBytes


class UnreadableSpec(Exception):
    """The stored spec of a job means nothing to this version."""


def problem_of(error: Exception) -> dict[str, Any]:
    """What users are told of an error; nothing of this host's inside."""
    match error:
        case Diverged():
            first = error.problems[0]
            return {"code": "diverged", "detail": first.detail, "hint": first.hint, "epoch": error.epoch}
        case MissingBytes() | DamagedBytes():
            return {"code": "dataset_unreadable", "detail": str(error), "hint": "Upload the dataset again."}
        case UnreadableSpec():
            detail = f"this version cannot read the job's spec, which another one wrote: {error}"
            return {"code": "bad_spec", "detail": detail, "hint": "Post the job again."}
        case BadSpec() | BadData():
            return engine_problem(error)
        case MemoryError():
            hint = "Try a smaller model, batch or dataset."
            return {"code": "out_of_memory", "detail": "the worker's memory did not suffice", "hint": hint}
    detail = f"the training ended with an unexpected {type(error).__name__}"
    return {
        "code": "internal_error",
        "detail": detail,
        "hint": "The worker's log says more under this job's id.",
    }


def engine_problem(error: EngineError) -> dict[str, Any]:
    """What users are told of a refusal of the engine's."""
    code = {BadSpec: "bad_spec", BadData: "bad_data", BadModel: "bad_checkpoint"}[type(error)]
    problems = [
        {"pointer": each.pointer, "code": each.code, "detail": each.detail} for each in error.problems
    ]
    return {"code": code, "detail": str(error), "hint": error.problems[0].hint, "errors": problems}
