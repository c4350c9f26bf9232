"""Fused updates: products join sums."""

import numpy as np

from engine.autograd.value import Value
from engine.compiler.assembly.fusion import FusedUpdate
from engine.compiler.assembly.vectors import Vectors
from tests.engine.compiler.machine import on_vectors


def test_a_product_joins_the_sum_that_alone_wants_it() -> None:
    p, g, rate = (Value(0.5) for _ in range(3))
    product, square = rate * g, p * p
    total, moved = square + 0.25, p - product
    nodes = [product, square, total, moved]
    lines: list[str] = []

    def emit(code: Vectors, *registers: str) -> list[str]:
        known = dict(zip(map(id, (p, g, rate)), registers, strict=True)) | {
            id(n): n.data for n in total.operands if not n.op
        }
        fused = FusedUpdate(code, nodes, {**known})
        results = [fused.vector(moved), fused.vector(total)]
        lines.extend(code.text.splitlines())
        return results

    columns = [np.array([x]) for x in (3.0, 5.0, 0.125)]
    results = on_vectors(emit, *columns)
    assert [float(result[0]) for result in results] == [3.0 - 0.125 * 5.0, 3.0 * 3.0 + 0.25]
    assert sum("@llvm.fma" in line for line in lines) == 2
    assert not any("fdiv" in line or "fmul" in line for line in lines)
