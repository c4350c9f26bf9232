"""The queue: how jobs join it, and in which order they are taken.

The order is by priority, then by turn, which is fair between owners, then by age.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, bindparam, column, func, insert, literal_column, select, table, text
from sqlalchemy.orm import Session

from service.tables import events
from service.tables.base import new_id, table_of
from service.tables.functions import database_now, greatest
from service.tables.jobs import CREATED, IS_QUEUED, IS_RUNNING, JOB, Job, Priority, Status
from service.tables.plain import Source, execute
from service.telemetry import current_request_id
from service.telemetry.tracing import current_traceparent

# Every statement is built once: to build one takes longer than to run it.
_of_priority = Job.priority == bindparam("priority")
_waiting_turn = select(func.min(Job.turn)).where(IS_QUEUED, _of_priority).scalar_subquery()
_running_turn = select(func.max(Job.turn)).where(IS_RUNNING, _of_priority).scalar_subquery()
_is_own = Job.owner == bindparam("owner")
_own_turn = select(func.max(Job.turn)).where(IS_QUEUED, _of_priority, _is_own).scalar_subquery()
# After the owner's others, and level with whoever is served now.
_next_turn = greatest(
    func.coalesce(_waiting_turn, _running_turn, literal_column("0")),
    func.coalesce(_own_turn + literal_column("1"), literal_column("0")),
)
_NEXT_TURN = select(_next_turn)

# A job joins where its dataset is, which nobody removes before the transaction ends: all in one statement,
# for on SQLite everybody else waits. The module of the datasets stands above this one.
_datasets = table("datasets", column("id"), column("owner"))
_its_dataset = (_datasets.c.id == bindparam("dataset_id"), _datasets.c.owner == bindparam("owner"))
_given = tuple(each for each in JOB.columns if each.name not in {"turn", "created_at"})
_row = select(*(bindparam(each.name, type_=each.type) for each in _given), _next_turn, database_now())
_placed = _row.select_from(_datasets).where(*_its_dataset).with_for_update(read=True, key_share=True)
_found = (Job.turn, Job.created_at)
_JOIN = insert(table_of(Job)).from_select([*_given, *_found], _placed).returning(*_found)
# And there stays the one that it validates on.
_KEEP = select(_datasets.c.id).where(*_its_dataset).with_for_update(read=True, key_share=True)
_UNTOUCHED: dict[str, Any] = {each.name: None for each in _given}
_UNTOUCHED |= {"claim": 0, "attempt": 1, "tries": 0, "epoch": 0, "seconds": 0.0}
_UNTOUCHED |= {"cancel_requested": False, "stop_requested": False, "status": Status.QUEUED.value}

# A count of a column that the index of the queued rows holds: else SQLite counts through every job.
_LENGTH = select(func.count(Job.priority)).where(IS_QUEUED)
# And here of no column: an index of owners and statuses has all that is asked, so no row is read.
_LENGTH_OF = select(func.count()).where(IS_QUEUED, Job.owner == bindparam("owner"))

# Ordered as the index of the queued rows is: else SQLite walks through every job there ever was.
_ANY = select(Job.id).where(IS_QUEUED).order_by(Job.priority).limit(1)

# Counted here, not by the database: to group it would rather walk through every job in the order of owners.
_RUNNING_OWNERS = select(Job.owner).where(IS_RUNNING)
_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(813701)")


class NoDataset(LookupError):
    """A dataset of a job that was to join is gone, or somebody else's; `dataset_id` names it."""

    def __init__(self, dataset_id: str) -> None:
        self.dataset_id = dataset_id
        super().__init__(dataset_id)


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
    work: float | None = None,
) -> Job:
    """A new queued job, to be read; `spec` is the full document of its TrainingSpec, `work` as reckoned.

    A job of another `kind` has a spec of its own, and says in `epochs` how many steps it has. Raises
    NoDataset where the owner has none of this id, or of the one that the spec's split names to validate
    on; nobody removes them before the transaction ends.
    """
    rank = Priority[priority.upper()]
    row = {
        **_beginning(),
        "id": new_id("job"),
        "owner": owner,
        "kind": kind,
        "name": name,
        "dataset_id": dataset_id,
        "spec": spec,
        "metadata": metadata,
        "webhook": webhook,
        "priority": rank.value,
        "epochs": planned_epochs(spec) if epochs is None else epochs,
        "model_id": model_id,
        "work": work,
    }
    return _join(db, row)


def _join(db: Session, row: dict[str, Any]) -> Job:
    second = row["spec"].get("split", {}).get("dataset_id")
    if second and execute(db, _KEEP, {"dataset_id": second, "owner": row["owner"]}).one_or_none() is None:
        raise NoDataset(second)
    made = execute(db, _JOIN, row).one_or_none()
    if made is None:
        raise NoDataset(row["dataset_id"])
    row |= {"turn": made.turn, "created_at": made.created_at}
    job = JOB.made_of([row[each.name] for each in JOB.columns])
    events.log_moves(db, [job], CREATED, at=job.created_at)
    return job


def _beginning() -> dict[str, Any]:
    """What every new job has, and of which request it comes, for logs and traces."""
    return {**_UNTOUCHED, "request_id": current_request_id(), "traceparent": current_traceparent()}


def planned_epochs(spec: dict[str, Any]) -> int:
    """The epochs of a training, those of a cross-validation's folds and of its final model together."""
    folds: int = spec["split"].get("folds") or 0
    epochs: int = spec["training"]["epochs"] * (1 + folds)
    return epochs


def next_turn(db: Session, owner: str, priority: int) -> int:
    """The turn of the owner's next job: after the owner's others, and level with whoever is served now.

    So owners take turns whatever the number of their jobs, and jobs of one owner keep their order.
    """
    return int(execute(db, _NEXT_TURN, {"owner": owner, "priority": int(priority)}).scalar_one())


def length(db: Source) -> int:
    """How many jobs wait for a worker."""
    return int(execute(db, _LENGTH).scalar_one())


def length_of(db: Source, owner: str) -> int:
    """How many jobs of the owner wait for a worker."""
    return int(execute(db, _LENGTH_OF, {"owner": owner}).scalar_one())


def any_waits(db: Session) -> bool:
    """Says whether any job waits for a worker."""
    return execute(db, _ANY).first() is not None


class Room:
    """How many more jobs each owner may have running: at most `most` at once, 0 is any number."""

    def __init__(self, running: Iterable[str], most: int) -> None:
        self._running, self._most = Counter(running), most
        self.full = frozenset(name for name, count in self._running.items() if most and count >= most)

    def fitting(self, jobs: Iterable[Row[Any]]) -> list[Row[Any]]:
        """Those of the jobs, the first ones of each owner, that may run together."""
        running = self._running.copy()
        fitting = []
        for job in jobs:
            running[job.owner] += 1
            if not self._most or running[job.owner] <= self._most:
                fitting.append(job)
        return fitting


def room(db: Session, most: int) -> Room:
    """The room that owners have until this transaction ends; without a bound nobody is asked."""
    if not most:
        return Room((), 0)
    if db.get_bind().dialect.name == "postgresql":
        execute(db, _ONE_BY_ONE)  # two that count at once would both find room; SQLite has one writer anyway
    return Room(execute(db, _RUNNING_OWNERS).scalars(), most)
