"""The queue: how jobs join it, in which order they are taken, and who waits where.

The order is by priority, then by turn, which is fair between owners, then by age.
"""

from typing import Any

from sqlalchemy import bindparam, func, insert, select, tuple_
from sqlalchemy.orm import Session

from service.tables import events
from service.tables.base import new_id, table_of
from service.tables.jobs import CREATED, IS_QUEUED, IS_RUNNING, Job, Priority, Status
from service.telemetry import current_request_id

# Every statement is built once: to build one takes longer than to run it.
_INSERT = insert(table_of(Job)).returning(Job.created_at)

_of_priority = Job.priority == bindparam("priority")
_waiting_turns = select(func.min(Job.turn)).where(IS_QUEUED, _of_priority)
_own_turns = select(func.max(Job.turn)).where(IS_QUEUED, _of_priority, Job.owner == bindparam("owner"))
_running_turns = select(func.max(Job.turn)).where(IS_RUNNING, _of_priority)
_TURNS = select(
    _own_turns.scalar_subquery().label("own"),
    _waiting_turns.scalar_subquery().label("waiting"),
    _running_turns.scalar_subquery().label("running"),
)

_places = tuple_(Job.priority, Job.turn, Job.id)
_place = tuple_(bindparam("priority"), bindparam("turn"), bindparam("id"))
_AHEAD = select(func.count()).select_from(Job).where(IS_QUEUED, _places < _place)

# A count of a column that the index of the queued rows holds: else SQLite counts through every job.
_LENGTH = select(func.count(Job.priority)).where(IS_QUEUED)
_LENGTH_OF = _LENGTH.where(Job.owner == bindparam("owner"))

# Ordered as the index of the queued rows is: else SQLite walks through every job there ever was.
_ANY = select(Job.id).where(IS_QUEUED).order_by(Job.priority).limit(1)


def add(
    db: Session,
    *,
    owner: str,
    dataset_id: str,
    spec: dict[str, Any],
    name: str | None = None,
    priority: str = "normal",
    metadata: dict[str, Any] | None = None,
    kind: str = "train",
    webhook: dict[str, Any] | None = None,
    epochs: int | None = None,
    model_id: str | None = None,
) -> Job:
    """A new queued job, detached; `spec` is the full document of its TrainingSpec.

    A job of another `kind` has a spec of its own, and says in `epochs` how many steps it has.
    """
    rank = Priority[priority.upper()]
    row: dict[str, Any] = {
        "id": new_id("job"),
        "owner": owner,
        "kind": kind,
        "status": Status.QUEUED.value,
        "name": name,
        "dataset_id": dataset_id,
        "spec": spec,
        "webhook": webhook,
        "priority": rank.value,
        "turn": next_turn(db, owner, rank),
        "epochs": planned_epochs(spec) if epochs is None else epochs,
        "model_id": model_id,
        "request_id": current_request_id(),
    }
    row |= {"claim": 0, "attempt": 1, "tries": 0, "epoch": 0, "seconds": 0.0}
    row |= {"cancel_requested": False, "stop_requested": False}
    created_at = db.execute(_INSERT, {**row, "metadata": metadata}).scalar_one()
    job = Job(**row, metadata_=metadata, created_at=created_at)
    events.log_moves(db, [job], CREATED, at=created_at)
    return job


def planned_epochs(spec: dict[str, Any]) -> int:
    """The epochs of a training, those of a cross-validation's folds and of its final model together."""
    folds: int = spec["split"].get("folds") or 0
    epochs: int = spec["training"]["epochs"] * (1 + folds)
    return epochs


def next_turn(db: Session, owner: str, priority: int) -> int:
    """The turn of the owner's next job: after the owner's others, and level with whoever is served now.

    So owners take turns whatever the number of their jobs, and jobs of one owner keep their order.
    """
    turns = db.execute(_TURNS, {"owner": owner, "priority": int(priority)}).one()
    served = turns.running if turns.waiting is None else turns.waiting
    return max(served or 0, 0 if turns.own is None else turns.own + 1)


def position(db: Session, job: Job) -> int | None:
    """Which job from now this one is to be taken: 1 is the next; None for one that is not queued."""
    if job.status != Status.QUEUED:
        return None
    place = {"priority": job.priority, "turn": job.turn, "id": job.id}
    return int(db.scalar(_AHEAD, place) or 0) + 1


def length(db: Session) -> int:
    """How many jobs wait for a worker."""
    return int(db.scalar(_LENGTH) or 0)


def length_of(db: Session, owner: str) -> int:
    """How many jobs of the owner wait for a worker."""
    return int(db.scalar(_LENGTH_OF, {"owner": owner}) or 0)


def any_waits(db: Session) -> bool:
    """Says whether any job waits for a worker."""
    return db.scalar(_ANY) is not None
