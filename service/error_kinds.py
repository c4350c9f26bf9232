"""The catalogue of errors: every kind this service answers with, and what its page says."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: its HTTP status, its title, and what its page says."""

    status: int
    title: str
    meaning: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "not_json": Kind(
        400,
        "The body is not JSON",
        "The request's body could not be parsed. NaN and Infinity are no JSON, a name may stand in an object "
        "only once, and nesting is bounded. The detail names the line and the column.",
        "Send UTF-8 encoded JSON.",
    ),
    "bad_request": Kind(
        400,
        "The request cannot be understood",
        "The request breaks the rules of HTTP or of its media type, so its content was not looked at.",
        "Correct what the detail names and send it again.",
    ),
    "bad_idempotency_key": Kind(
        400,
        "The Idempotency-Key cannot be used",
        "The header is empty, too long, or holds characters that are not printable ASCII.",
        "Send a random UUID, or leave the header out.",
    ),
    "no_key": Kind(
        401,
        "A key is needed",
        "The service answers only to requests that carry a key, and this one has none.",
        "Send the header `Authorization: Bearer KEY`; `gradhouse keys create` makes a key.",
    ),
    "wrong_key": Kind(
        401,
        "The key does not open",
        "The key is unknown, has expired, or was revoked.",
        "Check that all of it was sent; `gradhouse keys list` shows which keys are live.",
    ),
    "forbidden": Kind(
        403,
        "The key may not do this",
        "The key is valid, but its scope does not cover what was asked: read sees and predicts, write makes, "
        "changes and deletes, admin also sees the metrics.",
        "Use a key with the scope that the detail names.",
    ),
    "foreign_host": Kind(
        403,
        "The Host header is not this service's",
        "On the loopback address the service answers to 127.0.0.1, localhost and [::1], elsewhere to what "
        "the setting allowed_hosts names. Anything else may be a web page that rebinds a name of its own.",
        "Use an address that the detail names, or add the name to the setting allowed_hosts.",
    ),
    "cross_origin": Kind(
        403,
        "A foreign web page may not use this service",
        "The browser says that the request comes from a page of another origin.",
        "Send the request from a program, or from the service's own pages.",
    ),
    "behind_a_proxy": Kind(
        403,
        "An open service may not stand behind a proxy",
        "The service asks for no keys because only this machine's user reaches it. A request that a proxy "
        "has passed on may be anybody's.",
        "Set GRADHOUSE_REQUIRE_KEYS=1 and make keys with `gradhouse keys create`, or ask without the proxy.",
    ),
    "not_found": Kind(
        404,
        "There is nothing here",
        "No resource has this address, or it belongs to someone else.",
        "Check the id; the lists show what there is.",
    ),
    "method_not_allowed": Kind(
        405,
        "The resource does not know this method",
        "The address exists, the method does not apply to it.",
        "Use a method of the Allow header.",
    ),
    "not_acceptable": Kind(
        406,
        "No representation is acceptable",
        "The Accept header names only media types that this resource cannot be given in.",
        "Accept one of the media types of the detail.",
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
    "job_finished": Kind(
        409,
        "The job has finished",
        "A job that has succeeded or failed can no longer be canceled or stopped.",
        "Nothing needs to be done; to train again, post a new job.",
    ),
    "job_not_done": Kind(
        409,
        "The job is not done",
        "Only a job that has succeeded, failed or been canceled can be deleted, and only one of the last two "
        "resumed.",
        "Wait until it is done, or cancel the job first.",
    ),
    "job_not_started": Kind(
        409,
        "The job has not begun",
        "A queued job that has trained nothing yet has no model to keep, so it cannot be stopped.",
        "Stop it once it is running, or cancel it.",
    ),
    "job_canceling": Kind(
        409,
        "The job is being canceled",
        "Its worker has been asked to cancel it and will do so within a second.",
        "Wait until it is canceled; resume it to train on.",
    ),
    "dataset_gone": Kind(
        409,
        "The job's dataset was deleted",
        "A job cannot go on without the data it was begun with.",
        "Upload the data again and post a new job.",
    ),
    "idempotency_key_in_flight": Kind(
        409,
        "A request with this Idempotency-Key is at work",
        "The first request with this key has not been answered yet, so there is no answer to repeat.",
        "Wait as long as Retry-After says and send the request again.",
    ),
    "job_canceled": Kind(
        409,
        "The job was canceled",
        "The job was canceled before it made a model, so it has no result.",
        "Post the job again.",
    ),
    "model_name_taken": Kind(
        409,
        "The name and version are taken",
        "Another model already has this name and version.",
        "Choose another name.",
    ),
    "diverged": Kind(
        409,
        "The training diverged",
        "The loss became NaN or infinite, so the job failed in the epoch that the detail names.",
        "Lower the learning rate, set clip_norm, or scale the inputs.",
    ),
    "worker_lost": Kind(
        409,
        "The job's workers were lost",
        "Several workers in a row died while they had this job and made no progress, so the job failed.",
        "Look at the worker's log; a smaller model, a smaller batch or more memory may help.",
    ),
    "dataset_unreadable": Kind(
        409,
        "The job's dataset cannot be read",
        "The bytes of the dataset are gone or damaged, so the job failed.",
        "Upload the dataset again and post the job for it.",
    ),
    "bad_data": Kind(
        409,
        "The job's data does not allow the training",
        "The rows turned out not to fit the training spec, so the job failed. The detail names the reason.",
        "Correct the data or the spec and post the job again.",
    ),
    "bad_spec": Kind(
        409,
        "The job's spec cannot be carried out",
        "The training spec was written by another version, or does not fit its data, so the job failed.",
        "Post the job again; the answer says what is wrong today.",
    ),
    "bad_checkpoint": Kind(
        409,
        "The job's checkpoint cannot be used",
        "What was saved of the training is damaged or from another version, so the job failed.",
        "Post the job again.",
    ),
    "numerics_gone": Kind(
        409,
        "No worker has the job's numerics",
        "A job keeps the arithmetic that it was begun with, and no worker has had it for a while.",
        "Post the job again: it then begins with the arithmetic of today's workers.",
    ),
    "out_of_memory": Kind(
        409,
        "The worker's memory did not suffice",
        "The training needed more memory than its worker has, so the job failed.",
        "Use a smaller model, batch or dataset, or give the worker more memory.",
    ),
    "job_failed": Kind(
        409,
        "The job failed",
        "The training ended with an error that the detail names.",
        "Correct what the detail names and post the job again.",
    ),
    "gone": Kind(
        410,
        "It is no longer here",
        "What was asked for existed and was deleted.",
        "Nothing brings it back; make it again.",
    ),
    "too_large": Kind(
        413,
        "The request is too large",
        "The body is longer than the service's setting allows.",
        "Send less, or raise the setting that the detail names.",
    ),
    "answer_too_large": Kind(
        413,
        "The answer would be too large",
        "What was asked for has more parts than a setting allows: nodes of a graph, numbers of a table.",
        "Ask for the part that the hint names, or raise the setting that the detail names.",
    ),
    "uri_too_long": Kind(
        414, "The address is too long", "The request's address is too long.", "Send a POST."
    ),
    "unsupported_media_type": Kind(
        415,
        "The media type is not understood here",
        "The Content-Type header is missing or names a media type that this resource does not read.",
        "Send one of the media types of the detail, and name it in Content-Type.",
    ),
    "validation_failed": Kind(
        422,
        "The content is wrong",
        "The request could be parsed, but values in it cannot be used. Every problem that was found stands "
        "in errors, each with a JSON pointer to the value.",
        "Correct the values that the pointers name; nothing was stored.",
    ),
    "idempotency_key_reused": Kind(
        422,
        "The Idempotency-Key belongs to another request",
        "A key stands for one request: the same address and the same body.",
        "Make a new key for every new request.",
    ),
    "queue_full": Kind(
        429,
        "Too many jobs wait",
        "The queue holds as many jobs, of all or of one owner, as the detail says; nothing was stored.",
        "Wait as long as Retry-After says and send the request again.",
    ),
    "too_many_requests": Kind(
        429,
        "Too many requests",
        "A key, and an address without one, may ask as often as the detail says.",
        "Wait as long as Retry-After says; the field RateLimit tells how much is left.",
    ),
    "internal_error": Kind(
        500,
        "The service made a mistake",
        "Something happened that should not. The log holds the details under the request id.",
        "Send the request again; if it fails again, report it together with the request id.",
    ),
    "not_implemented": Kind(
        501, "Not implemented", "The service does not know how to do this.", "Ask differently."
    ),
    "unavailable": Kind(
        503,
        "A part of the service is away",
        "The database or another part does not answer at the moment. Nothing was half-stored.",
        "Wait as long as Retry-After says and send the request again.",
    ),
    "model_not_ready": Kind(
        503,
        "The model is still being trained",
        "No version of the model is there yet, and a job that will make one is queued or running.",
        "Wait as long as Retry-After says and send the request again, or watch the job of the detail.",
    ),
    "too_many_streams": Kind(
        503,
        "Too many event streams are open",
        "Every open stream holds one of the few threads of the process, so their number is bounded.",
        "Poll the same address without Accept: text/event-stream, or try again after Retry-After.",
    ),
    "insufficient_storage": Kind(
        507,
        "No space is left",
        "The disk that holds the data is full. Nothing was half-stored.",
        "Delete datasets that are not needed, or give the data directory more space.",
    ),
}
