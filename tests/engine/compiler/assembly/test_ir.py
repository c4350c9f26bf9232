"""The emitter: constants folded, loops, conditions, exact literals."""

import numpy as np

from engine.compiler.assembly.ir import DOUBLE, FLOAT, Code
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import compile_text


def test_arithmetic_on_known_numbers_emits_nothing() -> None:
    code = Code(DOUBLE)
    assert code.add(2, 3) == 5
    assert code.multiply(4, 5) == 20
    assert code.subtract(7, 2) == 5
    assert code.rounded_up(13, 8) == 16
    assert code.smaller(3, 9) == 3
    assert code.remainder(9, 2) == 1
    assert code.add("%x", 0) == "%x"
    assert code.multiply(1, "%x") == "%x"
    assert code.at("%p", 0) == "%p"
    assert code.text == ""


def test_literals_are_exact() -> None:
    assert DOUBLE.literal(0.1) == "0x3FB999999999999A"
    assert FLOAT.literal(0.1) == "0x3FB99999A0000000"  # the float nearest to 0.1, as a double's digits


def test_a_loop_of_one_turn_is_emitted_straight() -> None:
    code = Code(DOUBLE)
    assert code.loop(0, 8, 8, [("i64", "7")], lambda i, carried: [f"{carried[0]}+{i}"]) == ["7+0"]
    assert "br" not in code.text


def test_loops_carry_values_and_end_early() -> None:
    def body(code: Vectors) -> None:
        def turn(i: object, total: list[str]) -> list[str]:
            return [code.value(f"add i64 {total[0]}, {i}")]

        total = code.loop(0, "%n", 1, [("i64", "0")], turn)[0]
        code.do(f"store i64 {total}, ptr %out, align 8")
        counted = code.value("getelementptr inbounds i64, ptr %out, i64 1")
        code.do(f"store i64 0, ptr {counted}, align 8")

        def count(i: object, _: list[str]) -> list[str]:
            code.do(f"store i64 {i}, ptr {counted}, align 8")
            return []

        def enough() -> str:
            return code.value(f"icmp sge i64 {code.load_index(counted)}, 3")

        code.loop(0, "%n", 1, [], count, unless=enough)
        code.when(code.value("icmp sgt i64 %n, 5"), lambda: code.do("store i64 -1, ptr %out, align 8"))

    module = Module(DOUBLE)
    module.entry("run", ["%out*", "%n"], body)
    run = compile_text(module.text, ("run",)).function("run", 2)
    out = np.zeros(2, np.int64)
    run(out.ctypes.data, 5)
    assert out.tolist() == [10, 3]
    run(out.ctypes.data, 6)
    assert out.tolist() == [-1, 3]


def test_interleaved_pieces_take_turns() -> None:
    code = Code(DOUBLE)

    def first() -> None:
        code.do("a1")
        code.do("a2")

    code.interleave([first, lambda: code.do("b1")])
    assert code.text.split() == ["a1", "b1", "a2"]
