"""Vector operations: choices with NaN, sums across lanes, transpositions."""

import math

import numpy as np
import pytest

from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target
from tests.engine.compiler.machine import on_vectors

DRAWS = np.random.default_rng(2)


@pytest.mark.parametrize("real", [DOUBLE, FLOAT], ids=lambda real: real.name)
def test_a_matrix_is_transposed_and_its_rows_summed(real: Real) -> None:
    square = DRAWS.normal(size=(real.lanes, real.lanes)).astype(np.float64 if real is DOUBLE else np.float32)
    columns = on_vectors(lambda code, *rows: code.transposed(rows), *square, real=real)
    assert np.array_equal(np.array(columns), square.T)
    sums = on_vectors(lambda code, *rows: [code.sums(rows)], *square, real=real)[0]
    np.testing.assert_allclose(sums, square.sum(axis=1), rtol=1e-5 if real is FLOAT else 1e-13, atol=1e-5)
    total = on_vectors(lambda code, row: [code.splat(code.sum(row))], square[0], real=real)[0]
    assert total[0] == pytest.approx(square[0].sum(), rel=1e-5)
    assert (total == total[0]).all()


def test_sums_have_the_same_bits_on_avx2_and_here() -> None:
    rows = DRAWS.normal(size=(8, 8)) * 10.0 ** DRAWS.integers(-9, 9, (8, 8))

    def sums(code: Vectors, *vectors: str) -> list[str]:
        return [
            code.sums(vectors),
            code.sums_of(lambda k: vectors[k]),
            code.splat(code.sum(vectors[0])),
            code.fma(vectors[0], vectors[1], vectors[2]),
        ]

    here = on_vectors(sums, *rows)
    narrow = on_vectors(sums, *rows, target=Target.avx2())
    assert [a.tobytes() for a in here] == [a.tobytes() for a in narrow]
    assert here[0].tobytes() == here[1].tobytes()  # one by one or all at once


def test_choices_let_nan_through() -> None:
    x = np.array([math.nan, -1.0, 0.0, 2.0])
    got = on_vectors(lambda code, a: [code.either(code.compare("olt", a, 0.0), 0.0, a)], x)[0]
    np.testing.assert_array_equal(got, [math.nan, 0.0, 0.0, 2.0])
    got = on_vectors(lambda code, a: [code.either(code.first_lanes("3"), 1.0, a)], x)[0]
    assert got.tolist() == [1.0, 1.0, 1.0, 2.0]
