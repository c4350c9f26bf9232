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
