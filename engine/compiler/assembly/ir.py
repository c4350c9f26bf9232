"""An emitter of LLVM assembly text: vectors, loops and functions. It knows nothing of networks.

Values are the names of SSA registers (`"%7"`); an index may also be a Python int, and arithmetic on two
ints is done here, so that constant addresses cost nothing. A vector always fills 64 bytes: 8 doubles
or 16 floats, on every CPU. That fixes the order of every sum, and with it every bit of a result.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

Index = int | str
Vector = str


@dataclass(frozen=True, slots=True)
class Real:
    """A floating type, and how many of them a vector holds."""

    name: str
    bits: int
    lanes: int

    @property
    def bytes(self) -> int:
        """The size of one number."""
        return self.bits // 8

    @property
    def vector(self) -> str:
        """The vector's type."""
        return f"<{self.lanes} x {self.name}>"

    @property
    def bits_vector(self) -> str:
        """The type of a vector's bit patterns."""
        return f"<{self.lanes} x i{self.bits}>"

    def literal(self, number: float) -> str:
        """A constant, exact: LLVM writes floats, too, as the hexadecimal digits of a double."""
        if self.bits == 32:
            number = struct.unpack("f", struct.pack("f", number))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


DOUBLE = Real("double", 64, 8)
FLOAT = Real("float", 32, 16)


class Code:
    """The body of one function, written from top to bottom."""

    def __init__(self, real: Real) -> None:
        self.real = real
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"

    @property
    def text(self) -> str:
        """The lines so far."""
        return "\n".join(self._lines)

    # Instructions

    def value(self, instruction: str) -> str:
        """Emits an instruction that has a result; its name."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Emits an instruction without a result."""
        self._lines.append(f"  {instruction}")

    def call(self, function: str, *arguments: Index, pointers: Sequence[str] = ()) -> None:
        """Calls a function of the module: pointers first, then integers."""
        typed = [f"ptr {p}" for p in pointers] + [f"i64 {a}" for a in arguments]
        self.do(f"call void {function}({', '.join(typed)})")

    def interleave(self, parts: Sequence[Callable[[], None]]) -> None:
        """Emits straight pieces of code that do not depend on one another, line by line in turn.

        A long chain of operations fills the CPU's scheduler while it waits for itself; several side by
        side keep all units busy.
        """
        before, pieces = self._lines, []
        for part in parts:
            self._lines = []
            part()
            pieces.append(self._lines)
        self._lines = before
        for lines in zip_longest(*pieces):
            self._lines += [line for line in lines if line is not None]

    # Integers

    def add(self, a: Index, b: Index) -> Index:
        """a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.value(f"add nsw i64 {a}, {b}")

    def subtract(self, a: Index, b: Index) -> Index:
        """a − b."""
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.value(f"sub nsw i64 {a}, {b}")

    def multiply(self, a: Index, b: Index) -> Index:
        """a · b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.value(f"mul nsw i64 {a}, {b}")

    def divide(self, a: Index, b: int) -> Index:
        """⌊a / b⌋ for a ≥ 0."""
        return a // b if isinstance(a, int) else self.value(f"udiv i64 {a}, {b}")

    def remainder(self, a: Index, b: int) -> Index:
        """a mod b for a ≥ 0."""
        return a % b if isinstance(a, int) else self.value(f"urem i64 {a}, {b}")

    def smaller(self, a: Index, b: Index) -> Index:
        """min(a, b)."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        less = self.value(f"icmp slt i64 {a}, {b}")
        return self.value(f"select i1 {less}, i64 {a}, i64 {b}")

    def larger(self, a: Index, b: Index) -> Index:
        """max(a, b)."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        less = self.value(f"icmp slt i64 {a}, {b}")
        return self.value(f"select i1 {less}, i64 {b}, i64 {a}")

    def rounded_up(self, a: Index, unit: int) -> Index:
        """The least multiple of `unit` that is not below a."""
        return self.multiply(self.divide(self.add(a, unit - 1), unit), unit)

    # Control

    def loop(
        self,
        start: Index,
        stop: Index,
        step: int,
        carried: Sequence[tuple[str, str]],
        body: Callable[[Index, list[str]], Sequence[str]],
        *,
        unless: Callable[[], str] | None = None,
    ) -> list[str]:
        """for i in range(start, stop, step), at least once; the last values of what is carried.

        `carried` gives the type and first value of each register that goes from turn to turn; `body`
        takes i and their values, and returns their next ones. A single turn is emitted straight. The
        loop ends early after a turn where the i1 that `unless` emits is set.
        """
        if isinstance(start, int) and isinstance(stop, int) and stop - start <= step:
            return list(body(start, [first for _, first in carried]))
        self._count += 1
        k, before = self._count, self._block
        index, names = f"%i{k}", [f"%c{k}.{j}" for j in range(len(carried))]
        self.do(f"br label %L{k}")
        self._label(f"L{k}")
        heads = len(self._lines)
        results = body(index, names)
        following = self.value(f"add nsw i64 {index}, {step}")
        again = self.value(f"icmp slt i64 {following}, {stop}")
        if unless is not None:
            again = self.value(f"select i1 {unless()}, i1 false, i1 {again}")
        latch = self._block
        self.do(f"br i1 {again}, label %L{k}, label %E{k}")
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{latch} ]"]
        for (type_, first), name, result in zip(carried, names, results, strict=True):
            phis.append(f"  {name} = phi {type_} [ {first}, %{before} ], [ {result}, %{latch} ]")
        self._lines[heads:heads] = phis
        self._label(f"E{k}")
        return list(results)

    def when(self, condition: str, body: Callable[[], object]) -> None:
        """Runs `body` where the i1 `condition` holds."""
        self._count += 1
        k = self._count
        self.do(f"br i1 {condition}, label %T{k}, label %F{k}")
        self._label(f"T{k}")
        body()
        self.do(f"br label %F{k}")
        self._label(f"F{k}")

    def _label(self, name: str) -> None:
        self._lines.append(f"{name}:")
        self._block = name

    # Memory: offsets count numbers, not bytes

    def at(self, pointer: str, offset: Index) -> str:
        """The address `offset` numbers further."""
        if offset == 0:
            return pointer
        return self.value(f"getelementptr inbounds {self.real.name}, ptr {pointer}, i64 {offset}")

    def load(self, pointer: str, offset: Index = 0, align: int = 64) -> Vector:
        """A vector from memory."""
        return self.value(f"load {self.real.vector}, ptr {self.at(pointer, offset)}, align {align}")

    def store(self, vector: Vector, pointer: str, offset: Index = 0, align: int = 64) -> None:
        """A vector to memory."""
        self.do(f"store {self.real.vector} {vector}, ptr {self.at(pointer, offset)}, align {align}")

    def load_number(self, pointer: str, offset: Index = 0) -> str:
        """One number from memory."""
        return self.value(f"load {self.real.name}, ptr {self.at(pointer, offset)}, align {self.real.bytes}")

    def load_integer(self, pointer: str, offset: Index = 0) -> str:
        """One number's bits from memory."""
        type_ = f"i{self.real.bits}"
        return self.value(f"load {type_}, ptr {self.at(pointer, offset)}, align {self.real.bytes}")

    def store_number(self, number: str, pointer: str, offset: Index = 0) -> None:
        """One number to memory."""
        self.do(f"store {self.real.name} {number}, ptr {self.at(pointer, offset)}, align {self.real.bytes}")

    def load_index(self, pointer: str, offset: Index = 0, bits: int = 64) -> str:
        """An integer from an array of such integers, as i64."""
        address = self.value(f"getelementptr inbounds i{bits}, ptr {pointer}, i64 {offset}")
        loaded = self.value(f"load i{bits}, ptr {address}, align {bits // 8}")
        return loaded if bits == 64 else self.value(f"zext i{bits} {loaded} to i64")

    def store_index(self, index: Index, pointer: str, offset: Index = 0) -> None:
        """An integer to an array of 64-bit integers."""
        address = self.value(f"getelementptr inbounds i64, ptr {pointer}, i64 {offset}")
        self.do(f"store i64 {index}, ptr {address}, align 8")

    def spread(self, pointer: str, offset: Index = 0) -> Vector:
        """One number from memory in every lane."""
        return self.splat(self.load_number(pointer, offset))

    def splat(self, number: str) -> Vector:
        """A number in every lane."""
        lanes, vector = self.real.lanes, self.real.vector
        first = self.value(f"insertelement {vector} poison, {self.real.name} {number}, i64 0")
        return self.value(f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer")
