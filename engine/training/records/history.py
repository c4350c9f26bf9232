"""A training's history in blocks of columns: an epoch of 7 µs must not cost an object of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.errors import BadModel
from engine.models.safetensors_header import safetensors_metadata

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Consecutive epochs from `first_epoch` (counted from 1): each column holds one number an epoch."""

    first_epoch: int
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def last_epoch(self) -> int:
        """The last epoch in the block."""
        return self.first_epoch + len(self) - 1

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """One object an epoch, as JSON has it: what is not finite becomes None."""
        return self.rows_at(range(len(self))[start:stop])

    def rows_at(self, places: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The rows at these places of the block, counted from 0."""
        chosen = np.asarray(places, dtype=np.intp)
        columns = [[_finite(x) for x in column[chosen].tolist()] for column in self.columns.values()]
        for place, *values in zip(places, *columns, strict=True):
            yield {"epoch": self.first_epoch + place, **dict(zip(self.columns, values, strict=True))}

    def to_bytes(self) -> bytes:
        """Packed, for the database; equal blocks give equal bytes."""
        facts = {"first_epoch": self.first_epoch, "order": list(self.columns), "epochs": len(self)}
        # One member alone: safetensors writes several in an order that changes from call to call.
        packed = {name: _without_repeats(column) for name, column in self.columns.items()}
        return save(packed, metadata={"history": orjson.dumps(facts).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> HistoryBlock:
        """The block that `to_bytes` packed; raises BadModel for other bytes."""
        try:
            columns, facts = load(data), orjson.loads(safetensors_metadata(data)["history"])
            count = facts.get("epochs")  # the first blocks there were had no repeats left out
            repeated = {name: _with_repeats(columns[name], count) for name in facts["order"]}
            return cls(facts["first_epoch"], repeated)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadModel.because(f"a block of history is corrupt: {error}", code="corrupt") from None

    @classmethod
    def concatenate(cls, blocks: Iterable[HistoryBlock]) -> HistoryBlock:
        """Blocks that follow each other, as one."""
        parts = list(blocks)
        names = parts[0].columns
        return cls(
            parts[0].first_epoch, {n: np.concatenate([part.columns[n] for part in parts]) for n in names}
        )


def _without_repeats(column: Array) -> Array:
    """A column that says one thing all along, such as a constant learning rate, needs one number."""
    first = column[:1]
    return first if first.size and (column.view(np.uint64) == first.view(np.uint64)).all() else column


def _with_repeats(column: Array, count: int | None) -> Array:
    return column if count is None or len(column) == count else np.repeat(column, count)


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
