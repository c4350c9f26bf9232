"""The same trainings by others: a module each, with `trainer(workload)`, which gives `train()`.

`train()` returns the loss of every step it made: same data, same first parameters, same batches, same
optimizer, float64. scikit-learn alone takes no first parameters and no order: it is timed, but its losses
cannot be compared. ONNX Runtime only predicts. A module is imported only where its packages are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

Train = Callable[[], list[float] | None]

PACKAGES = {
    "numpy": ("numpy",),
    "scikit": ("sklearn",),
    "torch": ("torch",),
    "jax": ("jax",),
    "micrograd": ("micrograd",),
    "onnx": ("onnx", "onnxruntime"),
}
"""What each module, `with_numpy` and so on, needs."""


def is_installed(*packages: str) -> bool:
    """Whether all these packages can be imported."""
    return all(importlib.util.find_spec(package) is not None for package in packages)


def peer(name: str) -> Any:
    """The module of a peer, or None where its package is not installed."""
    return importlib.import_module(f"benchmarks.peers.with_{name}") if is_installed(*PACKAGES[name]) else None
