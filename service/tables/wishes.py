"""What users may ask of a job: cancel, stop, resume, delete; each a compare-and-set, or a Conflict."""

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from service.tables.base import Conflict
from service.tables.datasets import Dataset
from service.tables.jobs import DONE, IS_QUEUED, IS_RUNNING, OPEN, Job, Status, find, move
from service.tables.queue import next_turn

_RESUMABLE = (Status.FAILED, Status.CANCELED)


def request_cancel(db: Session, owner: str, job_id: str) -> Job | None:
    """Cancels a queued job at once and asks the worker of a running one to end it.

    A canceled job comes back as it is. Raises Conflict for one that succeeded or failed.
    """
    mine = _mine(owner, job_id)
    # First the flag, whichever it is: a worker that gives the job back at this moment must not slip through.
    db.execute(update(Job).where(*mine, OPEN).values(cancel_requested=True))
    move(db, Status.CANCELED, *mine, IS_QUEUED, reason="cancel")
    job = _fresh(db, mine)
    if job is not None and job.status in {Status.SUCCEEDED, Status.FAILED}:
        raise _finished(job, "Only a job that is not done can be canceled.")
    return job


def request_stop(db: Session, owner: str, job_id: str) -> Job | None:
    """Asks the worker of a job to end it early and to keep its model.

    A job that waits for its next slice is stopped then; one that no worker has begun has no model to keep.
    Raises Conflict for that one, for one that is being canceled, and for one that is done.
    """
    mine = _mine(owner, job_id)
    begun = or_(IS_RUNNING, IS_QUEUED & (Job.epoch > 0))
    db.execute(update(Job).where(*mine, begun, Job.cancel_requested.is_(False)).values(stop_requested=True))
    job = _fresh(db, mine)
    if job is None or (job.stop_requested and not job.done and not job.cancel_requested):
        return job
    if job.done:
        raise _finished(job, "Only a running job can be stopped.")
    if job.cancel_requested:
        hint = "Wait until it is canceled; resume it to train on."
        raise Conflict("job_canceling", f"job {job_id} is being canceled", hint)
    hint = "Stop it once it is running, or cancel it."
    raise Conflict("job_not_started", f"job {job_id} is queued and has trained nothing yet", hint)


def resume(db: Session, owner: str, job_id: str) -> Job | None:
    """Queues a canceled or failed job again: it goes on from its last checkpoint.

    Raises Conflict for any other state, and when the dataset is gone.
    """
    mine = _mine(owner, job_id)
    job = find(db, owner, job_id)
    if job is None:
        return None
    held = select(Dataset.id).where(Dataset.id == job.dataset_id, Dataset.owner == owner).with_for_update()
    if job.status in _RESUMABLE and db.scalar(held) is None:
        hint = "Upload the data again and post a new job."
        raise Conflict("dataset_gone", f"the dataset {job.dataset_id} of job {job_id} was deleted", hint)
    resumed = move(
        db,
        Status.QUEUED,
        *mine,
        Job.status.in_(_RESUMABLE),
        reason="resumed",
        turn=next_turn(db, owner, job.priority),
        cancel_requested=False,
        stop_requested=False,
        tries=0,
        error=None,
        finished_at=None,
    )
    if resumed:
        return _fresh(db, mine)
    if job.status == Status.SUCCEEDED:
        raise _finished(job, "Post a new job, or one with init_from to train its model further.")
    hint = "Only a canceled or failed job can be resumed."
    raise Conflict("job_not_done", f"job {job_id} is {job.shown_status}", hint)


def remove(db: Session, owner: str, job_id: str) -> bool:
    """Removes a job that is done, all but its model; False where there is none. Raises Conflict before."""
    job = find(db, owner, job_id)
    if job is None:
        return False
    gone = db.execute(delete(Job).where(Job.id == job_id, Job.status.in_(DONE)).returning(Job.id)).all()
    if not gone:
        hint = "Cancel the job and delete it once it is done."
        raise Conflict("job_not_done", f"job {job_id} is {job.shown_status}", hint)
    return True


def _mine(owner: str, job_id: str) -> tuple[ColumnElement[bool], ...]:
    return Job.id == job_id, Job.owner == owner


def _fresh(db: Session, mine: tuple[ColumnElement[bool], ...]) -> Job | None:
    return db.scalar(select(Job).where(*mine).execution_options(populate_existing=True))


def _finished(job: Job, hint: str) -> Conflict:
    return Conflict("job_finished", f"job {job.id} has already {_ENDED[Status(job.status)]}", hint)


_ENDED = {
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "been canceled",
}
