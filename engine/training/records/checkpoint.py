"""Where a training stands, as bytes: enough to go on as if nothing had happened, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.errors import BadModel
from engine.execution.plan import Best, State
from engine.models.safetensors_header import safetensors_metadata


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An executor's state, what made it, and the training seconds spent so far.

    `fingerprint` is the digest of spec and data: a checkpoint continues only the training it came from.
    """

    state: State
    numerics: str
    fingerprint: str
    seconds: float
    stopped_by: str | None = None

    def to_bytes(self) -> bytes:
        """As a safetensors file; equal checkpoints give equal bytes."""
        state = self.state
        tensors = {"parameters": state.parameters}
        tensors |= {f"moments.{i}": moment for i, moment in enumerate(state.moments)}
        facts = {
            "epoch": state.epoch,
            "numerics": self.numerics,
            "fingerprint": self.fingerprint,
            "seconds": self.seconds,
            "stopped_by": self.stopped_by,
        }
        if state.best is not None:
            tensors["best"] = state.best.parameters
            facts |= {"best_epoch": state.best.epoch, "best_value": state.best.value}
        facts["sha256"] = _digest(facts, tensors)
        return save(tensors, metadata={"checkpoint": orjson.dumps(facts).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """The checkpoint that `to_bytes` wrote; raises BadModel for other bytes."""
        try:
            tensors = load(data)
            facts = orjson.loads(safetensors_metadata(data)["checkpoint"])
            if facts.pop("sha256") != _digest(facts, tensors):
                raise ValueError("its digest does not fit")
            moments = tuple(tensors[f"moments.{i}"] for i in range(len(tensors) - 1 - ("best" in tensors)))
            best = (
                Best(facts["best_epoch"], facts["best_value"], tensors["best"]) if "best" in tensors else None
            )
            state = State(facts["epoch"], tensors["parameters"], moments, best)
            return cls(state, facts["numerics"], facts["fingerprint"], facts["seconds"], facts["stopped_by"])
        except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadModel.because(f"the checkpoint is corrupt: {error}", code="corrupt") from None


def _digest(facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> str:
    """Of all that a checkpoint says: a flipped bit must not train on."""
    digest = sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    return digest.hexdigest()
