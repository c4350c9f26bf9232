"""Value: derivatives through graphs of every shape, however deep and however shared."""

import gc
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.value import Value, graph, interior

DEEP = 100_000
numbers = st.floats(-1e6, 1e6)


def test_a_chain_of_a_hundred_thousand_values_is_walked_backward() -> None:
    x = Value(1.0)
    y = x
    for _ in range(DEEP):
        y = y + x
    y.backward()
    assert y.data == x.grad == DEEP + 1


def test_a_deep_chain_is_freed_at_once_without_the_garbage_collector() -> None:
    def alive() -> int:
        return sum(isinstance(thing, Value) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()
        y = Value(1.0)
        for _ in range(DEEP):
            y = (y * 1.0).relu()
        y.backward()
        assert alive() - before > 2 * DEEP
        del y
        assert alive() == before
    finally:
        gc.enable()


def test_shared_subexpressions_count_once_for_every_use() -> None:
    a = Value(3.0)
    b = a * a  # 9
    c = b + b * a  # a^2 + a^3
    c.backward()
    assert c.data == 36.0
    assert a.grad == 2 * 3.0 + 3 * 9.0
    assert b.grad == 1.0 + 3.0


def test_a_doubling_graph_takes_linear_time() -> None:
    x = Value(1.0)
    y = x
    for _ in range(64):  # 2^64 paths
        y = y + y
    y.backward()
    assert x.grad == 2.0**64


def test_equal_graphs_give_equal_bits() -> None:
    def gradients() -> list[float]:
        leaves = [Value(math.sin(k)) for k in range(50)]
        total = Value(0.0)
        for k, leaf in enumerate(leaves):
            total = total + (leaf * leaves[(7 * k) % 50]).tanh() / (1.0 + leaf * leaf)
        (total.exp() * leaves[3]).backward()
        return [leaf.grad for leaf in leaves]

    first = gradients()
    assert all(gradients() == first for _ in range(5))


def test_a_second_backward_warns_and_counts_inner_values_afresh() -> None:
    a = Value(3.0)
    b = a * a
    c = b * 2.0
    c.backward()
    with pytest.warns(RuntimeWarning, match="zero them first"):
        c.backward()
    assert (c.grad, b.grad) == (1.0, 2.0)
    assert a.grad == 2 * 12.0  # a leaf holds both runs, not three


def test_a_second_backward_after_zeroing_is_silent_and_the_same() -> None:
    a = Value(3.0)
    c = (a * a).exp()
    c.backward()
    first, a.grad = a.grad, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c.backward()
    assert a.grad == first


def test_leaves_add_up_over_two_losses() -> None:
    w = Value(2.0)
    (w * 3.0).backward()
    (w * w).backward()
    assert w.grad == 3.0 + 4.0


def test_two_losses_over_a_shared_part_add_up_too() -> None:
    w = Value(2.0)
    shared = w * w
    (shared * 3.0).backward()
    (shared * 5.0).backward()
    assert w.grad == (3.0 + 5.0) * 4.0


def test_a_leaf_by_itself_has_slope_one() -> None:
    a = Value(5.0)
    a.backward()
    assert a.grad == 1.0


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2.0), np.float32(2.0), np.int64(2), True])
def test_numbers_on_either_side_become_values(number: float) -> None:
    x, n = Value(3.0), float(number)
    pairs = [
        (number + x, n + 3.0),
        (x + number, 3.0 + n),
        (number - x, n - 3.0),
        (x - number, 3.0 - n),
        (number * x, n * 3.0),
        (x * number, 3.0 * n),
        (number / x, n / 3.0),
        (x / number, 3.0 / n),
        (number**x, n**3.0),
        (x**number, 3.0**n),
    ]
    for made, expected in pairs:
        assert isinstance(made, Value)
        assert type(made.data) is float
        assert made.data == expected


@pytest.mark.parametrize("wrong", ["1.5", "", None, [1.0], {}, b"1"])
def test_what_is_no_number_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Value(wrong)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises((TypeError, ValueError)):
        Value(1.0) + wrong  # type: ignore[operator]  # the mistake under test


def test_a_literal_exponent_is_no_variable() -> None:
    x = Value(-2.0)
    y = x**3
    y.backward()
    assert (y.data, x.grad) == (-8.0, 12.0)
    assert not math.isnan(y.operands[1].grad)


def test_a_value_as_exponent_has_its_own_slope() -> None:
    base, exponent = Value(2.0), Value(3.0)
    (base**exponent).backward()
    assert base.grad == pytest.approx(12.0, rel=1e-15)
    assert exponent.grad == pytest.approx(8.0 * math.log(2.0), rel=1e-15)


def test_the_graph_lists_operands_before_results_and_each_once() -> None:
    a, b = Value(1.0), Value(2.0)
    c = a * b
    d = c + a
    assert graph(d) == [a, b, c, d]
    assert interior(d) == [c, d]
    assert graph(a) == [a]
    assert d.local_derivatives == (1.0, 1.0)
    assert c.local_derivatives == (2.0, 1.0)
    assert a.operands == ()
    assert a.local_derivatives == ()


@given(numbers, numbers, numbers)
def test_arithmetic_is_pythons_own_to_the_bit(x: float, y: float, z: float) -> None:
    a, b, c = Value(x), Value(y), Value(z)
    assert (a + b * c - a).data == x + y * z - x
    assert (-a).data == -x
    assert abs(a).data == abs(x)


@given(st.floats(-2.0, 2.0), st.floats(0.5, 2.0))
def test_a_composite_expression_has_the_derivative_of_the_definition(x: float, y: float) -> None:
    def function(a: Value, b: Value) -> Value:
        inner = (a * b).tanh() + (a - b).sigmoid() * b.log()
        return (inner * inner + b**a).sqrt() / (1.0 + a * a)

    expected = numerical_gradient(function, (x, y))
    assert analytical_gradient(function, (x, y)) == pytest.approx(expected, rel=1e-7, abs=1e-9)
