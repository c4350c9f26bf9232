"""Where a training stands, as bytes: enough to go on as if nothing had happened, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.errors import BadModel
from engine.execution.plan import Best, State
from engine.training.history import safetensors_metadata


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
        return save(tensors, metadata={"checkpoint": orjson.dumps(facts).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """The checkpoint that `to_bytes` wrote; raises BadModel for other bytes."""
        try:
            tensors = load(data)
            facts = orjson.loads(safetensors_metadata(data)["checkpoint"])
            moments = tuple(tensors[f"moments.{i}"] for i in range(len(tensors) - 1 - ("best" in tensors)))
            best = (
                Best(facts["best_epoch"], facts["best_value"], tensors["best"]) if "best" in tensors else None
            )
            state = State(facts["epoch"], tensors["parameters"], moments, best)
            return cls(state, facts["numerics"], facts["fingerprint"], facts["seconds"], facts["stopped_by"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise BadModel.because(f"the checkpoint is corrupt: {error}", code="corrupt") from None
