"""The vectorized form against the values it was traced from."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.autograd.value import Value
from engine.autograd.vectorized import Vectorized, vectorized

FUNCTIONS: list[Callable[[Value, Value], Value]] = [
    lambda a, b: a * b + a,
    lambda a, b: (a - b).relu() * (a * a).exp() / (1.0 + b * b),
    lambda a, b: a.maximum(b).softplus() - b.minimum(0.5) ** 3,
    lambda a, b: a.greater(b).gate(a * 2.0) + a.logaddexp(b),
    lambda a, b: a,
    lambda a, b: Value(3.0) * b,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@given(data=st.data())
def test_it_agrees_with_values_element_by_element(
    function: Callable[[Value, Value], Value], data: st.DataObject
) -> None:
    one = arrays.arrays(np.float64, 7, elements=st.floats(-3.0, 3.0))
    x, y, upstream = data.draw(one), data.draw(one), data.draw(one)
    evaluation = Vectorized(function, 2)(x, y)
    by_x, by_y = evaluation.gradients(upstream)
    for i in range(7):
        a, b = Value(x[i]), Value(y[i])
        result = function(a, b)
        result.backward()
        assert np.broadcast_to(evaluation.value, 7)[i] == pytest.approx(result.data, rel=1e-14, abs=1e-300)
        assert by_x[i] == pytest.approx(a.grad * upstream[i], rel=1e-12, abs=1e-12)
        assert by_y[i] == pytest.approx(b.grad * upstream[i], rel=1e-12, abs=1e-12)


def test_only_the_gradients_wanted_are_given_in_their_order() -> None:
    evaluation = Vectorized(lambda a, b, c: a * b * c, 3)(*np.array([[2.0], [3.0], [5.0]]))
    assert [g.tolist() for g in evaluation.gradients(1.0, [2, 0])] == [[6.0], [15.0]]


def test_a_slope_that_does_not_depend_on_the_rows_still_has_their_shape() -> None:
    evaluation = Vectorized(lambda a: a + 1.0, 1)(np.zeros((4, 3)))
    assert evaluation.gradients(2.0)[0].tolist() == np.full((4, 3), 2.0).tolist()


def test_columns_and_rows_broadcast() -> None:
    evaluation = Vectorized(lambda a, b: a * b, 2)(np.arange(3.0)[:, None], np.arange(4.0))
    assert evaluation.value.shape == (3, 4)
    assert evaluation.value.tolist() == np.outer(np.arange(3.0), np.arange(4.0)).tolist()


def test_edges_make_no_noise() -> None:
    evaluation = Vectorized(lambda a: a.log() / a, 1)(np.array([0.0, -1.0, 1.0]))
    assert np.isneginf(evaluation.value[0])
    assert np.isnan(evaluation.value[1])
    evaluation.gradients(1.0)  # warnings are errors here


def test_a_lasting_function_is_traced_once() -> None:
    assert vectorized(Value.tanh, 1) is vectorized(Value.tanh, 1)
    assert vectorized(Value.tanh, 1) is not vectorized(Value.exp, 1)


def test_single_precision_stays_single() -> None:
    function = Vectorized(lambda a: (a * a + 0.5).tanh(), 1)
    single = function(np.linspace(-2, 2, 9, dtype=np.float32)).value
    assert single == pytest.approx(np.tanh(np.linspace(-2, 2, 9) ** 2 + 0.5), abs=1e-6)
