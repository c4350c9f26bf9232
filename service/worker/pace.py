"""How often a training saves its progress: often, but never for more than a small share of its time."""

import time

from service.settings import Settings

SHARE = 0.02  # of a job's time that saving may take, though it goes on beside the training
LONGEST_SECONDS = 10.0  # a reader waits no longer for the next rows, whatever they cost
FULL_BYTES = 2**20  # of rows: they cost the same whenever they are written, and the last are waited for
BYTES_A_PARAMETER = 24  # of a checkpoint: the parameter, and what an optimizer keeps of it
BYTES_A_SECOND = 50e6  # that are packed, hashed and written


class Pace:
    """When rows are saved, and when a checkpoint with them.

    A checkpoint of a million parameters takes a third of a second: such a job has one every half minute, and
    a small job one with all its rows.
    """

    def __init__(self, settings: Settings, parameter_count: int) -> None:
        self._least_seconds = settings.progress_seconds
        self._interval = settings.first_progress_seconds
        self._sent_at = self._checkpoint_at = time.monotonic()
        self._saved_before = False
        self._checkpoint_seconds = parameter_count * BYTES_A_PARAMETER / BYTES_A_SECOND

    def is_due(self, now: float, row_bytes: int) -> bool:
        """Says whether progress is to be saved now, with so many bytes of rows."""
        return row_bytes >= FULL_BYTES or now - self._sent_at >= self._interval

    def is_overdue(self, now: float) -> bool:
        """Says whether the training is to wait until the progress sent before is saved."""
        return now - self._sent_at >= LONGEST_SECONDS

    def affords_checkpoint(self, now: float) -> bool:
        """Says whether the next progress is to bring a checkpoint."""
        return now - self._checkpoint_at >= self._checkpoint_seconds / SHARE

    def sent(self, *, checkpoint: bool) -> None:
        """Progress is on its way since now."""
        self._sent_at = time.monotonic()
        if checkpoint:
            self._checkpoint_at = self._sent_at

    def saved(self, seconds: float) -> None:
        """It was saved, which took `seconds`."""
        # The first opens a connection and fills caches: it says nothing about what the next will take.
        usual = seconds if self._saved_before else 0.0
        self._saved_before = True
        self._interval = max(self._least_seconds, min(usual / SHARE, LONGEST_SECONDS))
