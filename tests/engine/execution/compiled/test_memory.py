"""What a compiled training allocates is what was told before."""

from typing import Any

import numpy as np
import pytest

from engine.compiler.jit import Target
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.compiled.memory import aligned_zeros, allocated_bytes
from tests.engine.compiler.plans import make_plan, optimizer


@pytest.mark.parametrize("target", [None, Target.avx2()], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    "shape",
    [
        {"sizes": [1, 1]},
        {"sizes": [5, 40, 3], "batch": 7, "validation": 9, "choice": optimizer("adam"), "weighted": True},
        {"sizes": [33, 129, 10], "loss": "cross_entropy", "choice": optimizer("adam", clip_norm=0.1)},
        {"sizes": [4, 20, 1], "activation": "gelu", "dropout": 0.2, "batch": 1, "precision": "float32"},
        {"sizes": [3, 20, 1], "loss": "hinge", "activation": "gelu", "rows": 37},
        {"sizes": [4, 9, 1], "choice": optimizer("adam", eps=0.0), "validation": 5},
    ],
    ids=lambda shape: "-".join(map(str, shape["sizes"])),
)
def test_a_training_allocates_what_was_told(shape: dict[str, Any], target: Target | None) -> None:
    plan, state = make_plan(**shape)
    executor = CompiledExecutor(plan, state, target=target)
    names = ("x", "targets", "weights", "order", "swaps")
    arrays = [executor._workspace, executor._positions, executor._arrays["corrections"]]
    arrays += [array for name, array in executor._arrays.items() if name.removeprefix("validation_") in names]
    assert sum(array.nbytes for array in arrays) == allocated_bytes(plan, target)


def test_an_array_starts_on_a_page_and_is_zero() -> None:
    made = aligned_zeros(1000, np.dtype(np.float32))
    assert made.ctypes.data % 4096 == 0
    assert not made.any()
    assert made.shape == (1000,)
