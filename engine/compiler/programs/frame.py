"""The one argument of a compiled program: a block of 64-bit words, each an address, integer or double."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler.assembly.ir import Code

INTEGERS = (
    "x",  # (rows, padded inputs): numbers of the program's own type
    "targets",
    "weights",
    "order",  # (rows,) i32: which row comes when
    "swaps",  # (rows,) i32: for the shuffle to work in; like the order in whole vectors
    "validation_x",
    "validation_targets",
    "validation_weights",
    "validation_order",
    "workspace",
    "knobs",
    "rates",  # (epochs,) doubles: the learning rate of each epoch from the first on
    "corrections",
    "known_corrections",
    "history",  # (epochs, columns) doubles: the plan's columns of each epoch from `first_epoch`
    "rows",
    "validation_rows",
    "steps",
    "steps_taken",  # of each epoch: all, unless somebody wants to look between two steps
    "first_epoch",
    "last_epoch",
    "epoch",  # epochs done, written by the program
    "diverged",  # 1 if the last epoch's loss was not finite, written by the program
    "best_epoch",  # 0: none yet
    "patience",
    "shuffle_key",
    "dropout_key",
)
SPLIT_DOUBLES = ("loss_divisor", "count", "scale", "deviation_square")
"""Of the rows of a split: what its sum of losses is divided by, how many they are, the size of one unit of
their scores, and what r² compares squared errors with (NaN where all targets are equal)."""

DOUBLES = (
    "best_value",
    "min_delta",
    "clip_norm",
    *(f"{split}_{name}" for split in ("train", "val") for name in SPLIT_DOUBLES),
)
FIELDS = INTEGERS + DOUBLES


KEPT_NAMES = (*np.empty(0).__array_interface__,)
"""NumPy interns these names anew for each interface it makes. Were they not kept, each would leave a hole in
CPython's table of interned strings, and after some thousand trainings the table would double: 3 MiB."""


def address_of(array: NDArray[Any]) -> int:
    """Where an array's numbers lie; half the price of `array.ctypes.data`."""
    address: int = array.__array_interface__["data"][0]
    return address


class Frame:
    """The block, seen from Python; it lies at `address`."""

    def __init__(self) -> None:
        words: NDArray[np.int64] = np.zeros(len(FIELDS), np.int64)
        integers, doubles = words.data, words.view(np.float64).data
        self._fields: dict[str, tuple[memoryview[Any], int]] = {
            name: (doubles if name in DOUBLES else integers, i) for i, name in enumerate(FIELDS)
        }
        self.address = address_of(words)

    def __setitem__(self, name: str, value: float | NDArray[np.generic]) -> None:
        """Sets a field; an array becomes its address."""
        if isinstance(value, np.ndarray):
            value = address_of(value)
        words, position = self._fields[name]
        words[position] = value

    def __getitem__(self, name: str) -> float:
        """A field as it stands."""
        words, position = self._fields[name]
        value: float = words[position]
        return value


class FrameInCode:
    """The block, seen from a program: `%frame`."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def _address(self, name: str) -> str:
        return self._code.value(f"getelementptr inbounds i64, ptr %frame, i64 {FIELDS.index(name)}")

    def load(self, name: str) -> str:
        """A field: an address where it is named for data, else an i64 or a double."""
        data = "ptr" if FIELDS.index(name) < FIELDS.index("rows") else "i64"
        type_ = "double" if name in DOUBLES else data
        return self._code.value(f"load {type_}, ptr {self._address(name)}, align 8")

    def store(self, name: str, value: str) -> None:
        """Sets a field."""
        type_ = "double" if name in DOUBLES else "i64"
        self._code.do(f"store {type_} {value}, ptr {self._address(name)}, align 8")
