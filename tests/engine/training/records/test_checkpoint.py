"""Checkpoints: whole, deterministic, and refused when anything is amiss."""

import numpy as np
import pytest
from safetensors.numpy import save

from engine.errors import BadModel
from engine.execution.plan import Best, State
from engine.training.records.checkpoint import Checkpoint

PARAMETERS = np.array([1.5, -0.0, 1e-310, 3.0])
MOMENTS = (np.arange(4.0), np.full(4, 0.25))


def checkpoint(best: bool = True) -> Checkpoint:
    state = State(7, PARAMETERS, MOMENTS, Best(5, 0.125, PARAMETERS[::-1].copy()) if best else None)
    return Checkpoint(state, "arrays-3", "f" * 64, 1.25, "max_seconds")


@pytest.mark.parametrize("best", [True, False])
def test_everything_comes_back_to_the_bit(best: bool) -> None:
    saved = checkpoint(best)
    back = Checkpoint.from_bytes(saved.to_bytes())
    assert back.state.parameters.tobytes() == PARAMETERS.tobytes()
    assert [m.tobytes() for m in back.state.moments] == [m.tobytes() for m in MOMENTS]
    assert back.state.epoch == 7
    assert (back.numerics, back.fingerprint, back.seconds, back.stopped_by) == (
        *("arrays-3", "f" * 64),
        *(1.25, "max_seconds"),
    )
    assert (back.state.best is not None) == best
    if back.state.best is not None:
        assert (back.state.best.epoch, back.state.best.value) == (5, 0.125)
        assert back.state.best.parameters.tobytes() == PARAMETERS[::-1].tobytes()
    assert back.to_bytes() == saved.to_bytes()


def test_equal_checkpoints_are_equal_bytes() -> None:
    assert checkpoint().to_bytes() == checkpoint().to_bytes()


def test_single_precision_is_kept() -> None:
    state = State(1, PARAMETERS.astype(np.float32), ())
    back = Checkpoint.from_bytes(Checkpoint(state, "n", "f", 0.0).to_bytes())
    assert back.state.parameters.dtype == np.float32
    assert back.state.moments == ()


def test_every_truncation_is_refused() -> None:
    data = checkpoint().to_bytes()
    for length in range(0, len(data), 5):
        with pytest.raises(BadModel):
            Checkpoint.from_bytes(data[:length])


def test_every_flipped_byte_is_refused() -> None:
    data = checkpoint().to_bytes()
    for place in range(len(data)):
        with pytest.raises(BadModel):
            Checkpoint.from_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize("metadata", [None, {"checkpoint": "{}"}, {"checkpoint": "[]"}, {"checkpoint": "{"}])
def test_foreign_files_of_the_same_format_are_refused(metadata: dict[str, str] | None) -> None:
    with pytest.raises(BadModel, match="corrupt"):
        Checkpoint.from_bytes(save({"parameters": PARAMETERS}, metadata=metadata))
