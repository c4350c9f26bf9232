"""What a training process does when it is woken: takes jobs until none waits, and sees each to its end."""

import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from engine.errors import BadModel
from service.settings import Settings
from service.storage import StorageAway
from service.tables import batches, claims, queue
from service.tables.base import is_transient
from service.tables.batches import Ending
from service.tables.claims import Claimed, LostLease, Progress
from service.telemetry import bound_contextvars, get_logger
from service.telemetry.tracing import span
from service.worker.bench import Bench
from service.worker.predict import Prediction
from service.worker.problems import engine_problem, problem_of
from service.worker.train import Training
from service.worker.validate import Validation

OTHER_KINDS: dict[str, Any] = {"batch_prediction": Prediction, "validation": Validation}
MOST_TOGETHER = 16
TOGETHER_SECONDS = 0.25  # then what has trained is written, and what has not begun is given back

_log = get_logger(__name__)


def work_until_none_waits(bench: Bench) -> None:
    """Works on what is next, again and again: a message wakes a process, the rows keep it awake."""
    while not bench.stopping.is_set():
        with bench.database.reading() as db:
            if not queue.any_waits(db):
                return
        if work(bench) is None:
            return


def work(bench: Bench) -> str | None:
    """Takes what is next and works on it for a slice at most; a job's id, or None if nothing waits."""
    taken = take_next(bench)
    if not taken:
        return None
    try:
        Batch(bench, taken).run()
    finally:
        bench.heart.end()
    return taken[0].job_id


def take_next(bench: Bench) -> list[Claimed]:
    """Claims what is next, within the settings' bounds; none if nothing waits."""
    take = partial(
        batches.claim,
        worker=bench.name,
        claim_id=uuid.uuid4().hex,
        lease_seconds=bench.settings.lease_seconds,
        most=_most_together(bench.settings),
        sharers=bench.settings.concurrency,
        most_of_owner=bench.settings.max_running_per_owner,
        declined=frozenset(bench.declined),
    )
    return bench.database.persist(take)


def _most_together(settings: Settings) -> int:
    # Where one death is enough to fail a job, none may die with another.
    return MOST_TOGETHER if settings.max_tries > 1 else 1


class Batch:
    """The jobs of one claim: mostly one, or some small ones that share the transactions of their ends."""

    def __init__(self, bench: Bench, taken: list[Claimed]) -> None:
        self._bench, self._waiting = bench, list(taken)
        self._ended: list[Ending] = []
        self._began = time.monotonic()

    def run(self) -> None:
        """Trains one after the other, and writes all that ended at once."""
        self._bench.heart.begin(*self._waiting)
        while self._waiting:
            claimed = self._waiting.pop(0)
            with _bound(claimed), _span(claimed):
                self._train(claimed)
            late = time.monotonic() - self._began > TOGETHER_SECONDS
            if late or self._bench.stopping.is_set():
                break
        self.settle()

    def settle(self, current: Claimed | None = None) -> None:
        """Writes the ends there are and gives back what has not begun; `current` goes on."""
        ended, waiting = self._ended, self._waiting
        self._ended, self._waiting = [], []
        if ended:
            self._end(ended)
        if waiting:
            self._bench.database.persist(partial(batches.give_back, batch=waiting))
        if current is not None and (ended or waiting):
            self._bench.heart.begin(current)

    def _train(self, claimed: Claimed) -> None:
        training: Training | None = None
        try:
            if claimed.kind in OTHER_KINDS:
                OTHER_KINDS[claimed.kind](self._bench, claimed).run()
                return
            training = Training(self._bench, claimed, on_first_look=partial(self.settle, claimed))
            if ending := training.run():
                self._ended.append(ending)
        except LostLease:
            _warn_of_lost_lease()
        except BadModel as error:
            self._attempt(self._refuse, claimed, error)
        except Exception as error:
            if is_transient(error) or isinstance(error, StorageAway):
                raise  # nothing can be done now: the lease ends, and the sweeper gives the job back
            self._attempt(self._fail_with, claimed, error, training.rows_only if training else None)

    def _refuse(self, claimed: Claimed, error: BadModel) -> None:
        """Deals with a checkpoint that is damaged, or that other numerics have made."""
        if error.problems[0].code == "wrong_numerics":
            _decline(self._bench, claimed)
        else:
            self._fail(claimed, engine_problem(error), None)

    def _fail_with(
        self, claimed: Claimed, error: Exception, rest: Callable[[], Progress | None] | None
    ) -> None:
        problem = problem_of(error)
        if problem["code"] == "internal_error":
            _log.exception("the training broke")
        self._fail(claimed, problem, rest() if rest else None)

    def _fail(self, claimed: Claimed, problem: dict[str, Any], progress: Progress | None) -> None:
        failing = partial(claims.fail, claimed=claimed, error=problem, progress=progress)
        self._bench.database.persist(failing)

    def _end(self, endings: list[Ending]) -> None:
        left = endings
        try:
            left = self._bench.database.persist(partial(batches.succeed, endings=endings))
        except Exception as error:
            if is_transient(error):
                raise
            # One of them cannot be written: alone, each shows which, and the others are not harmed.
        for each in left:
            with _bound(each.claimed):
                self._end_alone(each)

    def _end_alone(self, ending: Ending) -> None:
        claimed, progress = ending.claimed, ending.progress
        finish = partial(claims.succeed, claimed=claimed, progress=progress, model=ending.model)
        cancel = partial(claims.cancel, claimed=claimed, progress=progress)
        try:
            if self._bench.database.persist(finish) is None:
                self._bench.database.persist(cancel)
        except LostLease:
            _warn_of_lost_lease()
        except Exception as error:
            if is_transient(error):
                raise
            self._attempt(self._fail_with, claimed, error, lambda: progress)

    @staticmethod
    def _attempt(write: Any, *arguments: Any) -> None:
        try:
            write(*arguments)
        except LostLease:
            _warn_of_lost_lease()


def _bound(claimed: Claimed) -> AbstractContextManager[None]:
    """Every line that is logged in the block tells the job and the request that it came with."""
    ids = {"job_id": claimed.job_id, "claim": claimed.claim, "request_id": claimed.request_id}
    return bound_contextvars(**ids)


def _span(claimed: Claimed) -> AbstractContextManager[Any]:
    """The claim's span, in the trace of the request that made the job."""
    ids = {"job_id": claimed.job_id, "request_id": claimed.request_id}
    return span(claimed.kind, claimed.traceparent, **ids)


def _warn_of_lost_lease() -> None:
    _log.warning("lease lost: another worker has the job, nothing more is written")


def _decline(bench: Bench, claimed: Claimed) -> None:
    """Leaves a job to the workers with the numerics that it was begun with: one job, one arithmetic."""
    bench.declined.add(str(claimed.numerics))
    bench.database.persist(partial(claims.release, claimed=claimed, reason=claims.DECLINED))
    _log.warning("left to a worker with other numerics", numerics=claimed.numerics)
