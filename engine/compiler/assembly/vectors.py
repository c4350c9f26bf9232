"""Arithmetic on vectors of numbers, and sums whose order never changes.

`Vectors` adds to an emitter the operations on whole vectors. Nothing here may be reordered: no
fast-math flag is ever set, a fused multiply-add stands only where it is written, and horizontal sums
are trees over fixed lanes. The same program gives the same bits with AVX2, AVX-512 or NEON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.compiler.assembly.ir import Code, Index, Real, Vector

ZERO = "zeroinitializer"


class Vectors(Code):
    """An emitter that computes with vectors; a float among the operands is a constant in every lane."""

    def __init__(self, real: Real, declare: Callable[[str], None]) -> None:
        super().__init__(real)
        self.declare = declare
        self._suffix = f"v{self.real.lanes}f{self.real.bits}"

    def constant(self, number: float) -> Vector:
        """A number in every lane."""
        return f"splat ({self.real.name} {self.real.literal(number)})"

    def bits_constant(self, number: int) -> Vector:
        """An integer in every lane."""
        return f"splat (i{self.real.bits} {number})"

    def _operand(self, x: Vector | float) -> Vector:
        return x if isinstance(x, str) else self.constant(x)

    def _binary(self, operation: str, a: Vector | float, b: Vector | float) -> Vector:
        return self.value(f"{operation} {self.real.vector} {self._operand(a)}, {self._operand(b)}")

    def _intrinsic(self, name: str, *operands: Vector | float) -> Vector:
        vector = self.real.vector
        self.declare(f"{vector} @llvm.{name}.{self._suffix}({', '.join([vector] * len(operands))})")
        typed = ", ".join(f"{vector} {self._operand(x)}" for x in operands)
        return self.value(f"call {vector} @llvm.{name}.{self._suffix}({typed})")

    def plus(self, a: Vector | float, b: Vector | float) -> Vector:
        """a + b."""
        return self._binary("fadd", a, b)

    def minus(self, a: Vector | float, b: Vector | float) -> Vector:
        """a − b."""
        return self._binary("fsub", a, b)

    def times(self, a: Vector | float, b: Vector | float) -> Vector:
        """a · b."""
        return self._binary("fmul", a, b)

    def over(self, a: Vector | float, b: Vector | float) -> Vector:
        """a / b."""
        return self._binary("fdiv", a, b)

    def fma(self, a: Vector | float, b: Vector | float, c: Vector | float) -> Vector:
        """a · b + c, rounded once."""
        return self._intrinsic("fma", a, b, c)

    def negative(self, a: Vector | float) -> Vector:
        """−a."""
        return self.value(f"fneg {self.real.vector} {self._operand(a)}")

    def root(self, a: Vector | float) -> Vector:
        """√a, correctly rounded."""
        return self._intrinsic("sqrt", a)

    def magnitude(self, a: Vector | float) -> Vector:
        """|a|."""
        return self._intrinsic("fabs", a)

    def with_sign(self, magnitude: Vector, sign: Vector) -> Vector:
        """|magnitude| with the sign of `sign`."""
        return self._intrinsic("copysign", magnitude, sign)

    def floor(self, a: Vector) -> Vector:
        """The greatest integer not above a."""
        return self._intrinsic("floor", a)

    # Choices

    def compare(self, predicate: str, a: Vector | float, b: Vector | float) -> str:
        """A mask: `ogt` and the like are false for NaN, `une` and the like true."""
        return self.value(f"fcmp {predicate} {self.real.vector} {self._operand(a)}, {self._operand(b)}")

    def either(self, mask: str, a: Vector | float, b: Vector | float) -> Vector:
        """a where the mask is set, else b."""
        lanes, vector = self.real.lanes, self.real.vector
        return self.value(
            f"select <{lanes} x i1> {mask}, {vector} {self._operand(a)}, {vector} {self._operand(b)}"
        )

    def both(self, operation: str, a: str, b: str) -> str:
        """Two masks joined by `and`, `or` or `xor`."""
        return self.value(f"{operation} <{self.real.lanes} x i1> {a}, {b}")

    def first_lanes(self, count: str) -> str:
        """The mask of the lanes whose position is below the i64 `count`."""
        wide = f"<{self.real.lanes} x i64>"
        return self.value(f"icmp slt {wide} {self.positions}, {self.splat_index(count)}")

    # Indices

    @property
    def positions(self) -> str:
        """0, 1, 2 …: the lanes' own, as 64-bit integers."""
        return f"<{', '.join(f'i64 {lane}' for lane in range(self.real.lanes))}>"

    def splat_index(self, index: Index) -> str:
        """A 64-bit integer in every lane."""
        lanes, wide = self.real.lanes, f"<{self.real.lanes} x i64>"
        one = self.value(f"insertelement {wide} poison, i64 {index}, i64 0")
        return self.value(f"shufflevector {wide} {one}, {wide} poison, <{lanes} x i32> zeroinitializer")

    # Bit patterns

    def as_bits(self, a: Vector) -> str:
        """The lanes' bit patterns as integers."""
        return self.value(f"bitcast {self.real.vector} {a} to {self.real.bits_vector}")

    def as_reals(self, a: str) -> Vector:
        """Bit patterns as numbers."""
        return self.value(f"bitcast {self.real.bits_vector} {a} to {self.real.vector}")

    def bits(self, operation: str, a: str, b: int | str) -> str:
        """An integer operation on every lane."""
        b = self.bits_constant(b) if isinstance(b, int) else b
        return self.value(f"{operation} {self.real.bits_vector} {a}, {b}")

    # Across lanes

    def shuffle(self, a: Vector, b: Vector, lanes: Sequence[int]) -> Vector:
        """The named lanes of a (from 0) and b (from the vector's length)."""
        vector, picked = self.real.vector, ", ".join(f"i32 {lane}" for lane in lanes)
        return self.value(f"shufflevector {vector} {a}, {vector} {b}, <{len(lanes)} x i32> <{picked}>")

    def _interleaved(self, distance: int) -> tuple[list[int], list[int]]:
        """The lanes that a butterfly over `distance` takes from two vectors, below and above."""
        lanes = self.real.lanes
        low = [j if (j // distance) % 2 == 0 else lanes + j - distance for j in range(lanes)]
        return low, [j + distance for j in low]

    def sums(self, vectors: Sequence[Vector]) -> Vector:
        """Lane k: the sum over vector k's lanes; as many vectors as lanes."""
        row, distance = list(vectors), 1
        while len(row) > 1:
            low, high = self._interleaved(distance)
            pairs = zip(row[::2], row[1::2], strict=True)
            row = [self.plus(self.shuffle(a, b, low), self.shuffle(a, b, high)) for a, b in pairs]
            distance *= 2
        return row[0]

    def sums_of(self, vector: Callable[[int], Vector]) -> Vector:
        """Lane k: the sum over the lanes of `vector(k)`, each emitted when it is needed: few registers do."""

        def tree(first: int, count: int) -> Vector:
            if count == 1:
                return vector(first)
            distance = count // 2
            low, high = self._interleaved(distance)
            a, b = tree(first, distance), tree(first + distance, distance)
            return self.plus(self.shuffle(a, b, low), self.shuffle(a, b, high))

        return tree(0, self.real.lanes)

    def sum(self, a: Vector) -> str:
        """The number that a's lanes add up to: halves onto halves."""
        width = self.real.lanes // 2
        while width:
            upper = [*range(width, 2 * width)] + [0] * (self.real.lanes - width)
            a = self.plus(a, self.shuffle(a, "poison", upper))
            width //= 2
        return self.lane(a, 0)

    def lane(self, a: Vector, lane: int) -> str:
        """One lane's number."""
        return self.value(f"extractelement {self.real.vector} {a}, i64 {lane}")

    def transposed(self, rows: Sequence[Vector]) -> list[Vector]:
        """Vector k holds lane k of every row; as many rows as lanes."""
        square, distance = list(rows), 1
        while distance < self.real.lanes:
            low, high = self._interleaved(distance)
            for i in range(self.real.lanes):
                if (i // distance) % 2 == 0:
                    a, b = square[i], square[i + distance]
                    square[i], square[i + distance] = self.shuffle(a, b, low), self.shuffle(a, b, high)
            distance *= 2
        return square
