"""Denormals are flushed while a program runs, and only then."""

import numpy as np

from tests.engine.compiler.machine import on_vectors


def test_denormals_are_0_inside_and_numbers_outside() -> None:
    tiny = np.array([1e-310, 1e-300, 1.0])
    product, passed = on_vectors(lambda code, a: [code.times(a, 3.0), code.times(a, 1e-10)], tiny)
    assert product.tolist() == [0.0, 3e-300, 3.0]
    assert passed.tolist() == [0.0, 0.0, 1e-10]
    assert (tiny * 1.0).tolist() == tiny.tolist()
