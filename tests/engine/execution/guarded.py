"""Memory whose neighbours may not be touched: a program that reads or writes beside an array dies at once.

Run as a module it trains, predicts and derives with networks of the given seeds, every array between
pages that are closed to the process: `python -m tests.engine.execution.guarded 0 1 2`.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.execution.compiled import executor, memory, predictor
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.compiled.predictor import CompiledPredictor
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from tests.engine.compiler.plans import make_plan, optimizer

PAGE = mmap.PAGESIZE
KEPT: list[mmap.mmap] = []
_LIBC = ctypes.CDLL(None, use_errno=True)
_PROT_NONE = 0


def guarded(size: int, *, flush_end: bool) -> memoryview:
    """`size` zero bytes that end at a closed page or, without `flush_end`, start right after one."""
    room = -(-max(size, 1) // PAGE) * PAGE
    area = mmap.mmap(-1, room + 2 * PAGE)
    KEPT.append(area)
    base = ctypes.addressof(ctypes.c_char.from_buffer(area))
    for page in (base, base + PAGE + room):
        if _LIBC.mprotect(ctypes.c_void_p(page), PAGE, _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE + (room - size if flush_end else 0)
    return memoryview(area)[start : start + size]


class GuardedNumPy:
    """NumPy, but for what makes arrays: those stand in guarded memory."""

    def __init__(self, *, flush_end: bool) -> None:
        self._flush_end = flush_end

    def __getattr__(self, name: str) -> Any:
        made = getattr(np, name)
        makes = name in (
            "empty",
            "zeros",
            "ones",
            "full",
            "arange",
            "array",
            "ascontiguousarray",
            "empty_like",
        )
        return self._guarding(made) if makes else made

    def _guarding(self, make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: self.moved(make(*args, **options))

    def moved(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy in guarded memory."""
        place = guarded(array.nbytes, flush_end=self._flush_end)
        copy = np.frombuffer(place, array.dtype).reshape(array.shape) if array.nbytes else array
        if array.nbytes:
            copy[...] = array
        return copy

    def aligned_zeros(self, numbers: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """In place of the engine's own."""
        return self.moved(np.zeros(numbers, dtype))


def guard(*, flush_end: bool) -> GuardedNumPy:
    """Puts every array that programs see between closed pages."""
    numpy = GuardedNumPy(flush_end=flush_end)
    for module in (executor, memory, predictor):
        module.np = numpy  # type: ignore[attr-defined]  # it stands for NumPy
        module.aligned_zeros = numpy.aligned_zeros  # type: ignore[attr-defined]
    return numpy


def training_of(seed: int) -> dict[str, Any]:
    """A training drawn by a seed: odd widths, depths, batches and all that shapes a program."""
    draw = random.Random(seed)
    outputs = draw.choice([1, 1, 2, 3, 7, 16, 17, 40])
    many = draw.random() < 0.3  # inputs, whose panels of weights are taken by other tiles
    inputs = draw.randint(257, 300) if many else draw.randint(1, 70)
    sizes = [inputs, *(draw.randint(1, 50) for _ in range(draw.randint(0, 3))), outputs]
    kinds = [name for name, loss in LOSSES if ("multiclass" if outputs > 1 else "binary") in loss.tasks]
    names = ["sgd", "adam", "adamw", "rmsprop", "adagrad"]
    return {
        "sizes": sizes,
        "activation": draw.choice(ACTIVATIONS.names()),
        "output_activation": draw.choice(["linear", "tanh"]),
        "loss": draw.choice(kinds),
        "choice": optimizer(draw.choice(names), clip_norm=draw.choice([None, 1.0])),
        "rows": 65 if many else draw.choice([1, 2, 7, 30, 65]),
        "validation": draw.choice([0, 1, 9]),
        "batch": draw.choice([None, 1, 2, 8, 13]),
        "dropout": draw.choice([0.0, 0.3]),
        "weighted": draw.random() < 0.3,
        "precision": draw.choice(["float64", "float32"]),
        "epochs": 2,
    }


def exercise(seed: int, numpy: GuardedNumPy) -> None:
    """Trains, predicts and derives with every buffer guarded."""
    plan, state = make_plan(**training_of(seed))
    trained = CompiledExecutor(plan, state)
    trained.run(1)
    trained.run(1)
    parameters = trained.state.parameters.astype(np.float64)
    predict = CompiledPredictor(plan.layers, parameters)
    for rows in (1, 2, 47, 48, 50):
        x = numpy.moved(np.random.default_rng(seed).standard_normal((rows, plan.layers[0].inputs)))
        predict(x)
        predict.gradients(x)
        predict.gradients(x, plan.layers[-1].units - 1)
    KEPT.clear()


def trespass() -> None:
    """Writes one number past an array's end: what the guard is there to catch."""
    array = GuardedNumPy(flush_end=True).aligned_zeros(64, np.dtype(np.float64))
    ctypes.memset(array.ctypes.data + array.nbytes, 1, 8)


if __name__ == "__main__":
    faulthandler.enable()
    for argument in sys.argv[1:]:
        for at_the_end in (True, False):
            guarding = guard(flush_end=at_the_end)
            if argument == "trespass":
                trespass()
            sys.stdout.write(f"{argument} {training_of(int(argument))}\n")
            sys.stdout.flush()
            exercise(int(argument), guarding)
