"""How activations are carried out: where they are computed, and how their slopes are kept."""

import pytest

from engine.compiler.kernels.activation import ActivationPlan
from engine.compiler.kernels.dense import STORED
from engine.nn.activations import ACTIVATIONS


def carried_out(name: str, dropout: float = 0.0, *, is_output: bool = False) -> ActivationPlan:
    return ActivationPlan(name, ACTIVATIONS.get(name), dropout, is_output)


def test_a_cheap_activation_is_done_in_the_matrix_kernel() -> None:
    relu = carried_out("relu")
    assert relu.inline == "relu"
    assert not relu.by_pass
    assert relu.slope not in (None, STORED)


def test_a_slope_that_follows_from_the_result_is_not_stored() -> None:
    tanh = carried_out("tanh")
    assert tanh.by_pass
    assert tanh.slope == "1.0 - o * o"


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "softplus", "leaky_relu"])
def test_other_slopes_are_stored_on_the_way_forward(name: str) -> None:
    assert carried_out(name).slope == STORED
    assert carried_out(name).by_pass


def test_dropout_stores_slopes_and_linear_needs_none() -> None:
    assert carried_out("linear").slope is None
    assert not carried_out("linear").by_pass
    assert carried_out("linear", 0.2).slope == STORED
    assert carried_out("relu", 0.2).slope == STORED
    assert carried_out("relu", is_output=True).slope == STORED
