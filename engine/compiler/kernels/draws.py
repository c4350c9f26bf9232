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


def shuffle(module: Module) -> str:
    """The kernel `(order; count, key)`: fills `order` (i32) with `permutation(count, key)`."""
    return module.define("shuffle", "shuffle", ["%order*", "%n", "%key"], _emit_shuffle)


def _emit_shuffle(code: Vectors) -> None:
    def place(i: Index) -> str:
        return code.value(f"getelementptr inbounds i32, ptr %order, i64 {i}")

    def fill(i: Index, _: list[str]) -> list[str]:
        code.do(f"store i32 {code.value(f'trunc i64 {i} to i32')}, ptr {place(i)}, align 4")
        return []

    def swap(k: Index, z: list[str]) -> list[str]:
        left = code.subtract("%n", k)
        word = _mixed(code, "i64", z[0])
        wide = [code.value(f"zext i64 {x} to i128") for x in (word, left)]
        product = code.value(f"mul nuw i128 {wide[0]}, {wide[1]}")
        chosen = code.value(f"trunc i128 {code.value(f'lshr i128 {product}, 64')} to i64")
        a, b = place(code.subtract(left, 1)), place(chosen)
        x, y = (code.value(f"load i32, ptr {p}, align 4") for p in (a, b))
        code.do(f"store i32 {y}, ptr {a}, align 4")
        code.do(f"store i32 {x}, ptr {b}, align 4")
        return [code.value(f"add i64 {z[0]}, {GOLDEN}")]

    code.loop(0, "%n", 1, [], fill)
    first = code.value(f"add i64 %key, {GOLDEN}")
    several = code.value("icmp sgt i64 %n, 1")
    code.when(several, lambda: code.loop(0, str(code.subtract("%n", 1)), 1, [("i64", first)], swap))


def kept(code: Vectors, key: str, counter: Index, share: float) -> str:
    """The mask of the lanes whose uniform number is at least `share`; lane k draws word counter + k."""
    lanes = code.real.lanes
    wide = f"<{lanes} x i64>"
    first = code.value(f"mul i64 {code.add(counter, 1)}, {GOLDEN}")
    start = code.value(f"add i64 {key}, {first}")
    one = code.value(f"insertelement {wide} poison, i64 {start}, i64 0")
    all_ = code.value(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")
    steps = ", ".join(f"i64 {(lane * GOLDEN) % 2**64}" for lane in range(lanes))
    words = _mixed(code, wide, code.value(f"add {wide} {all_}, <{steps}>"))
    fraction = code.value(f"lshr {wide} {words}, splat (i64 11)")
    return code.value(f"icmp uge {wide} {fraction}, splat (i64 {_threshold(share)})")


def _threshold(share: float) -> int:
    """The least k with k·2⁻⁵³ ≥ share: exact, since scaling by a power of two is."""
    scaled = share * 2.0**53
    return int(scaled) + (int(scaled) < scaled)
