"""What is kept of a training's way: parameters and optimizer state, dense at first and thinner later.

From the snapshot before it any epoch can be computed again, bit for bit. They are not for resuming, which
has its own checkpoints.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.errors import BadModel
from engine.execution.plan import State
from engine.models.safetensors_header import safetensors_metadata

LEAST = 2  # the first and the last are always kept


@dataclass(frozen=True, slots=True)
class Budget:
    """How many snapshots a training may leave, and how many bytes they may take."""

    count: int = 120
    size: int = 32 * 2**20


def planned_epochs(epochs: int, count: int) -> tuple[int, ...]:
    """At most `count` epochs from 0 to the last: all, or each one at first and then at growing distances.

    >>> planned_epochs(1000, 12)
    (0, 1, 3, 6, 11, 22, 42, 80, 151, 284, 533, 1000)
    """
    if epochs < count:
        return tuple(range(epochs + 1))
    places = np.expm1(np.linspace(0.0, np.log1p(epochs), max(count, LEAST)))
    return tuple(sorted({*np.rint(places).astype(np.int64).tolist(), epochs}))


@dataclass(frozen=True, slots=True)
class Snapshots:
    """States after some `epochs`, ascending: `parameters` and each of `moments` are (snapshots, numbers)."""

    epochs: tuple[int, ...]
    parameters: NDArray[np.floating]
    moments: tuple[NDArray[np.floating], ...]
    numerics: str

    @property
    def digests(self) -> tuple[str, ...]:
        """For each snapshot the sha256 of its parameters as little-endian float64, as models have it."""
        return tuple(sha256(row.astype("<f8").tobytes()).hexdigest() for row in self.parameters)

    def state(self, index: int) -> State:
        """Where the training stood; a training goes on from there."""
        moments = tuple(moment[index].copy() for moment in self.moments)
        return State(self.epochs[index], self.parameters[index].copy(), moments)

    def to_bytes(self) -> bytes:
        """Packed, for the database."""
        tensors = {"parameters": self.parameters}
        tensors |= {f"moments.{i}": moment for i, moment in enumerate(self.moments)}
        facts = {"epochs": self.epochs, "numerics": self.numerics, "sha256": self.digests}
        return save(tensors, metadata={"snapshots": orjson.dumps(facts).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshots:
        """The snapshots that `to_bytes` packed; raises BadModel for other bytes, or damaged ones."""
        try:
            tensors, facts = load(data), orjson.loads(safetensors_metadata(data)["snapshots"])
            moments = tuple(tensors[f"moments.{i}"] for i in range(len(tensors) - 1))
            found = cls(tuple(facts["epochs"]), tensors["parameters"], moments, facts["numerics"])
            if list(found.digests) != facts["sha256"]:
                raise ValueError("the parameters are not those that were saved")
        except (SafetensorError, KeyError, ValueError) as error:
            raise BadModel.because(f"snapshots are corrupt: {error}", code="corrupt") from None
        return found


class Recorder:
    """Takes the snapshots of one training as it passes the planned epochs."""

    def __init__(self, epochs: int, state: State, budget: Budget) -> None:
        numbers = len(state.parameters) * (1 + len(state.moments))
        affordable = budget.size // (numbers * state.parameters.itemsize)
        # One is left for a last state that no plan foresaw: early stopping, a cancel, a deadline.
        self._planned = planned_epochs(epochs, min(budget.count, affordable) - 1)
        self._due = frozenset(self._planned)
        self._states: list[State] = []
        if state.epoch == 0:
            self.record(state)

    def next_after(self, epoch: int) -> int:
        """The next epoch whose state is to be kept; behind the last one any."""
        place = bisect_right(self._planned, epoch)
        return self._planned[place] if place < len(self._planned) else epoch + 1

    def is_due(self, epoch: int) -> bool:
        """Says whether the state after this epoch is to be kept."""
        return epoch in self._due

    def record(self, state: State, *, last: bool = False) -> None:
        """Keeps a state whose epoch is planned, or that is the last."""
        known = self._states[-1].epoch if self._states else -1
        if state.epoch > known and (last or self.is_due(state.epoch)):
            self._states.append(state)

    def pending(self, numerics: str) -> Snapshots | None:
        """What was recorded since the last `clear`; None where that is nothing."""
        if not self._states:
            return None
        blocks = zip(*(state.moments for state in self._states), strict=True)
        return Snapshots(
            tuple(state.epoch for state in self._states),
            np.array([state.parameters for state in self._states]),
            tuple(np.array(block) for block in blocks),
            numerics,
        )

    def clear(self) -> None:
        """What was recorded is safe elsewhere."""
        self._states.clear()
