"""The frame: the same words from Python and from a program."""

import numpy as np

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text
from engine.compiler.programs.frame import DOUBLES, FIELDS, KEPT_NAMES, Frame, FrameInCode, address_of


def test_fields_are_read_and_written_on_both_sides() -> None:
    def body(code: Vectors) -> None:
        inside = FrameInCode(code)
        inside.store("epoch", code.value(f"add i64 {inside.load('first_epoch')}, 2"))
        inside.store("best_value", code.value(f"fadd double {inside.load('min_delta')}, 1.0"))
        loaded = code.value(f"load i64, ptr {inside.load('history')}, align 8")
        inside.store("diverged", loaded)

    module = Module(DOUBLE)
    module.entry("run", ["%frame*"], body)
    frame, numbers = Frame(), np.array([17])
    frame["first_epoch"], frame["min_delta"], frame["history"] = 40, 0.5, numbers
    compile_text(module.text, ("run",)).function("run", 1)(frame.address)
    assert (frame["epoch"], frame["best_value"], frame["diverged"]) == (42, 1.5, 17)


def test_every_field_has_a_word_of_its_own() -> None:
    assert len(set(FIELDS)) == len(FIELDS)
    frame = Frame()
    for i, name in enumerate(FIELDS):
        frame[name] = i
    assert [frame[name] for name in FIELDS] == list(range(len(FIELDS)))
    assert isinstance(frame[DOUBLES[0]], float)


def test_an_array_lies_where_numpy_says() -> None:
    numbers = np.arange(5.0)
    assert address_of(numbers) == numbers.ctypes.data
    assert address_of(numbers[2:]) == numbers.ctypes.data + 16


def test_numpys_names_are_never_interned_anew() -> None:
    kept = {name: id(name) for name in KEPT_NAMES}
    assert {name: id(name) for name in np.arange(2).__array_interface__} == kept
