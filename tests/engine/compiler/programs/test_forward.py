"""What the way forward leaves for the way back."""

from itertools import pairwise

import pytest

from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.kernels.layout import LayerShape
from engine.compiler.programs.forward import Forward


@pytest.mark.parametrize(
    ("activation", "hidden_is_stored"), [("linear", False), ("relu", False), ("tanh", False), ("gelu", True)]
)
def test_slopes_are_stored_only_where_results_do_not_tell_them(
    activation: str, hidden_is_stored: bool
) -> None:
    layers = tuple(LayerShape(a, b, activation, 0.0) for a, b in pairwise((3, 5, 2)))
    there = Forward(Module(DOUBLE), layers, 48, 32, slopes=True)
    assert there.stores(0) is hidden_is_stored
    assert not Forward(Module(DOUBLE), layers, 48, 32, slopes=False).stores(0)


def test_the_workspace_grows_with_the_block_not_with_the_rows() -> None:
    layers = (LayerShape(3, 40, "tanh", 0.0), LayerShape(40, 1, "linear", 0.0))
    one, many = (Forward(Module(DOUBLE), layers, block, 32, slopes=False) for block in (1, 48))
    assert one.workspace.size < many.workspace.size == many.rows.capacity * (8 + 48 + 8)
