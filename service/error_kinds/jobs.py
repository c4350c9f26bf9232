"""Errors of jobs: moves that their status forbids, and why they failed."""

from collections.abc import Mapping

from service.error_kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
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
    "job_canceled": Kind(
        409,
        "The job was canceled",
        "The job was canceled before it made a model, so it has no result.",
        "Post the job again.",
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
    "queue_full": Kind(
        429,
        "Too many jobs wait",
        "The queue holds as many jobs, of all or of one owner, as the detail says; nothing was stored.",
        "Wait as long as Retry-After says and send the request again.",
    ),
}
