"""Random numbers in instructions: the words, shuffles and masks of `engine/randomness.py`."""

from __future__ import annotations

from engine.compiler.assembly.ir import Code, Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.randomness import FIRST_MULTIPLIER, GOLDEN, SECOND_MULTIPLIER


def _mixed(code: Code, type_: str, z: str) -> str:
    """SplitMix64's finalizer on an i64 or a vector of them."""

    def constant(number: int) -> str:
        return str(number) if type_ == "i64" else f"splat (i64 {number})"

    for shift, multiplier in ((30, FIRST_MULTIPLIER), (27, SECOND_MULTIPLIER)):
        shifted = code.value(f"lshr {type_} {z}, {constant(shift)}")
        folded = code.value(f"xor {type_} {z}, {shifted}")
        z = code.value(f"mul {type_} {folded}, {constant(multiplier)}")
    return code.value(f"xor {type_} {z}, {code.value(f'lshr {type_} {z}, {constant(31)}')}")


def sub_key(code: Code, key: Index, counter: Index) -> str:
    """The key one counter further down a stream's path."""
    step = code.value(f"mul i64 {code.value(f'add i64 {counter}, 1')}, {GOLDEN}")
    return _mixed(code, "i64", code.value(f"add i64 {key}, {step}"))


def _words(code: Vectors, key: Index, counter: Index) -> str:
    """A stream's words from `counter` on, as many as lanes."""
    wide, lanes = f"<{code.real.lanes} x i64>", range(code.real.lanes)
    start = code.value(f"mul i64 {code.add(counter, 1)}, {GOLDEN}")
    first = code.splat_index(code.value(f"add i64 {key}, {start}"))
    steps = ", ".join(f"i64 {(lane * GOLDEN) % 2**64}" for lane in lanes)
    return _mixed(code, wide, code.value(f"add {wide} {first}, <{steps}>"))


def shuffle(module: Module) -> str:
    """The kernel `(order, swaps; count, key)`: fills `order` (i32) with `permutation(count, key)`.

    `swaps` (i32) gets the place that each swap chooses. Both arrays have room for whole vectors.
    """
    return module.define("shuffle", "shuffle", ["%order*", "%swaps*", "%n", "%key"], _emit_shuffle)


def _emit_shuffle(code: Vectors) -> None:
    """All choices first: with both addresses known early, a swap is loaded while others are still stored."""
    lanes = code.real.lanes
    wide, short, half = f"<{lanes} x i64>", f"<{lanes} x i32>", f"splat (i64 {2**32 - 1})"

    def place(array: str, i: Index) -> str:
        return code.value(f"getelementptr inbounds i32, ptr {array}, i64 {i}")

    def keep(numbers: str, array: str, i: Index) -> None:
        narrow = code.value(f"trunc {wide} {numbers} to {short}")
        code.do(f"store {short} {narrow}, ptr {place(array, i)}, align 4")

    def choose(k: Index, _: list[str]) -> list[str]:
        """⌊word · left / 2⁶⁴⌋ by two products of 32 bits, since `left` is less than 2³²."""
        words, left = _words(code, "%key", k), code.splat_index(code.subtract("%n", k))
        left = code.value(f"and {wide} {code.value(f'sub {wide} {left}, {code.positions}')}, {half}")
        upper = code.value(f"mul {wide} {code.value(f'lshr {wide} {words}, splat (i64 32)')}, {left}")
        lower = code.value(f"mul {wide} {code.value(f'and {wide} {words}, {half}')}, {left}")
        total = code.value(f"add {wide} {upper}, {code.value(f'lshr {wide} {lower}, splat (i64 32)')}")
        keep(code.value(f"lshr {wide} {total}, splat (i64 32)"), "%swaps", k)
        keep(code.value(f"add {wide} {code.splat_index(k)}, {code.positions}"), "%order", k)
        return []

    def swap(k: Index, _: list[str]) -> list[str]:
        a = place("%order", code.subtract("%n", code.add(k, 1)))
        b = place("%order", code.load_index("%swaps", k, bits=32))
        x, y = (code.value(f"load i32, ptr {p}, align 4") for p in (a, b))
        code.do(f"store i32 {y}, ptr {a}, align 4")
        code.do(f"store i32 {x}, ptr {b}, align 4")
        return []

    code.loop(0, "%n", lanes, [], choose)
    several = code.value("icmp sgt i64 %n, 1")
    code.when(several, lambda: code.loop(0, str(code.subtract("%n", 1)), 1, [], swap))


def kept(code: Vectors, key: str, counter: Index, share: float) -> str:
    """The mask of the lanes whose uniform number is at least `share`; lane k draws word counter + k."""
    wide, words = f"<{code.real.lanes} x i64>", _words(code, key, counter)
    fraction = code.value(f"lshr {wide} {words}, splat (i64 11)")
    return code.value(f"icmp uge {wide} {fraction}, splat (i64 {_threshold(share)})")


def _threshold(share: float) -> int:
    """The least k with k·2⁻⁵³ ≥ share: exact, since scaling by a power of two is."""
    scaled = share * 2.0**53
    return int(scaled) + (int(scaled) < scaled)
