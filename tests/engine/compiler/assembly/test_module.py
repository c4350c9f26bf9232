"""Modules: one function for one key, declarations once."""

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors


def test_a_function_is_emitted_once_for_its_key() -> None:
    module, emitted = Module(DOUBLE), []

    def emit(code: Vectors) -> None:
        emitted.append(code)
        code.store(code.root(code.load("%a")), "%a")

    names = [module.define(key, "root", ["%a*"], emit) for key in ("one", "two", "one")]
    assert names[0] == names[2] != names[1]
    assert len(emitted) == 2
    assert module.text.count("declare") == 1
    assert module.text.count("define internal void") == 2


def test_what_was_asked_for_once_is_inlined_where_that_is_wished() -> None:
    def emit(code: Vectors) -> None:
        code.store(code.root(code.load("%a")), "%a")

    def inlined(*, wished: bool) -> list[bool]:
        module = Module(DOUBLE, inlined=wished)
        for key in ("one", "two", "one"):
            module.define(key, "root", ["%a*"], emit)
        module.entry("run", ["%a*"], emit)
        return ["alwaysinline" in line for line in module.text.splitlines() if line.startswith("define")]

    assert inlined(wished=True) == [False, True, False]
    assert inlined(wished=False) == [False, False, False]
