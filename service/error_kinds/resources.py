"""Errors of what is there and what its state allows; those of jobs stand apart."""

from collections.abc import Mapping

from service.error_kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "not_found": Kind(
        404,
        "There is nothing here",
        "No resource has this address, or it belongs to someone else.",
        "Check the id; the lists show what there is.",
    ),
    "conflict": Kind(
        409,
        "The state forbids it",
        "The resource is in a state that does not allow what was asked.",
        "Read the resource and decide anew.",
    ),
    "dataset_in_use": Kind(
        409,
        "A live job uses the dataset",
        "A dataset cannot be deleted while a job that is not done needs it.",
        "Wait until the job is done, or cancel it, and delete again.",
    ),
    "dataset_not_ready": Kind(
        409,
        "The dataset cannot be used yet",
        "A large upload is validated by a worker; until then, or if it was rejected, nothing can use it.",
        "Poll the dataset until its status is ready; a rejected one says why.",
    ),
    "model_name_taken": Kind(
        409,
        "The name and version are taken",
        "Another model already has this name and version.",
        "Choose another name.",
    ),
    "gone": Kind(
        410,
        "It is no longer here",
        "What was asked for existed and was deleted.",
        "Nothing brings it back; make it again.",
    ),
    "answer_too_large": Kind(
        413,
        "The answer would be too large",
        "What was asked for has more parts than a setting allows: nodes of a graph, numbers of a table.",
        "Ask for the part that the hint names, or raise the setting that the detail names.",
    ),
    "model_not_ready": Kind(
        503,
        "The model is still being trained",
        "No version of the model is there yet, and a job that will make one is queued or running.",
        "Wait as long as Retry-After says and send the request again, or watch the job of the detail.",
    ),
}
