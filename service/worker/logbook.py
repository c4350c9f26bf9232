"""What one claim's training has brought: written to the database while the training goes on."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.training.cross_validation import CrossValidation
from engine.training.records.history import HistoryBlock
from engine.training.records.snapshots import Snapshots
from engine.training.trainer import Trainer
from service.tables import claims
from service.tables.base import DatabaseError, is_transient
from service.tables.claims import Claimed, Flags, Progress
from service.tables.history import Block
from service.tables.snapshots import SnapshotBlock
from service.worker.bench import Bench
from service.worker.pace import Pace

BLOCK_ROWS = 4096  # a reader of one row unpacks no more than so many

NOTHING_ASKED = Flags(cancel=False, stop=False)


@dataclass(frozen=True, slots=True)
class _Errand:
    """A look at the flags that is under way, or a save of rows up to `epoch`."""

    flags: Future[Flags]
    rows: tuple[HistoryBlock, ...] = ()
    epoch: int | None = None


class Logbook:
    """Rows, checkpoints and snapshots that the database has, or is to have, of a training.

    One errand at a time is under way to the database, and the training does not wait for it: on PostgreSQL
    it would stand still for a tenth of its time where epochs take microseconds. The order of the writes is
    that of the epochs all the same, each is fenced, and a lease that was lost is heard of a chunk later.
    """

    def __init__(self, bench: Bench, claimed: Claimed, trainer: Trainer | CrossValidation) -> None:
        self._bench, self._claimed, self._trainer = bench, claimed, trainer
        self._pace = Pace(bench.settings, trainer.parameter_count)
        self._pending: list[HistoryBlock] = []
        self._errand: _Errand | None = None
        self._saved_epoch = trainer.epoch

    def add(self, block: HistoryBlock) -> None:
        """Takes the rows of a chunk in."""
        self._pending.append(block)

    def look(self) -> Flags:
        """What users are known to ask for; sends the next errand. Raises LostLease.

        Waits only where the last errand takes much longer than it should: rows must not pile up.
        """
        now = time.monotonic()
        flags = self._heard(wait=self._pace.is_overdue(now))
        if self._errand is None:
            if self._pace.is_due(now, sum(_size(block) for block in self._pending)):
                self._send_save(checkpoint=self._pace.affords_checkpoint(now))
            else:
                self._errand = _Errand(self._bench.clerk.send(self._read_flags))
        return flags

    def save(self) -> Flags:
        """Writes all there is, a checkpoint with it, and waits until it is written. Raises LostLease."""
        self._heard(wait=True)
        self._send_save(checkpoint=True)
        return self._heard(wait=True)

    def rest(self, *, checkpoint: bool, last: bool = False) -> Progress:
        """What is not written yet, for the transaction that ends the job. Raises LostLease."""
        self._heard(wait=True)
        return replace(self._progress(checkpoint=checkpoint, last=last), blocks=_pack(self._pending))

    def rows_only(self) -> Progress | None:
        """The rows not written yet, without a checkpoint: after a failure no state is to be trusted."""
        rest = self.rest(checkpoint=False)
        return rest if self._pending else None

    def _heard(self, *, wait: bool) -> Flags:
        """The answer to the errand that is under way, if it has come or is waited for."""
        errand = self._errand
        if errand is None or not (wait or errand.flags.done()):
            return NOTHING_ASKED
        self._errand = None
        try:
            flags = errand.flags.result()
        except BaseException:
            self._pending[:0] = errand.rows
            raise
        if errand.epoch is not None:
            self._saved_epoch = errand.epoch
        return flags

    def _read_flags(self) -> Flags:
        try:
            with self._bench.database.reading() as db:
                return claims.read_flags(db, self._claimed)
        except DatabaseError as error:
            if not is_transient(error):
                raise
            return NOTHING_ASKED  # training goes on without the database until progress is overdue

    def _send_save(self, *, checkpoint: bool) -> None:
        progress, rows = self._progress(checkpoint=checkpoint), tuple(self._pending)
        save = partial(self._save, progress, rows)
        self._errand = _Errand(self._bench.clerk.send(save), rows, progress.epoch)
        self._pending.clear()
        self._trainer.forget_snapshots()
        self._pace.sent(checkpoint=checkpoint)

    def _save(self, progress: Progress, rows: tuple[HistoryBlock, ...]) -> Flags:
        """Packs and writes; runs beside the training."""
        began = time.monotonic()
        packed = replace(progress, blocks=_pack(rows))
        lease = self._bench.settings.lease_seconds
        save = partial(claims.save_progress, claimed=self._claimed, progress=packed, lease_seconds=lease)
        flags = self._bench.database.persist(save)
        self._bench.heart.renewed()
        self._pace.saved(time.monotonic() - began)
        return flags

    def _progress(self, *, checkpoint: bool, last: bool = False) -> Progress:
        """Where the training stands, all but the rows."""
        trainer = self._trainer
        return Progress(
            since=self._saved_epoch,
            epoch=trainer.epoch,
            seconds=trainer.seconds,
            blocks=[],
            latest=_last_row(self._pending[-1]) if self._pending else None,
            checkpoint=trainer.checkpoint() if checkpoint else None,
            executor=trainer.executor_name,
            numerics=trainer.numerics,
            snapshots=_pack_snapshots(trainer.snapshots(last=last)),
        )


def _size(block: HistoryBlock) -> int:
    return sum(column.nbytes for column in block.columns.values())


def _cut(block: HistoryBlock, start: int, stop: int) -> HistoryBlock:
    columns = {name: values[start:stop] for name, values in block.columns.items()}
    return HistoryBlock(first_epoch=block.first_epoch + start, columns=columns)


def _pack(blocks: list[HistoryBlock] | tuple[HistoryBlock, ...]) -> list[Block]:
    if not blocks:
        return []
    whole = HistoryBlock.concatenate(blocks)
    parts = (_cut(whole, start, start + BLOCK_ROWS) for start in range(0, len(whole), BLOCK_ROWS))
    return [Block(part.first_epoch, part.first_epoch + len(part) - 1, part.to_bytes()) for part in parts]


def _pack_snapshots(taken: Snapshots | None) -> SnapshotBlock | None:
    if taken is None:
        return None
    return SnapshotBlock(taken.epochs[0], taken.epochs[-1], len(taken.epochs), taken.to_bytes())


def _last_row(block: HistoryBlock) -> dict[str, Any]:
    return next(block.rows(len(block) - 1))
