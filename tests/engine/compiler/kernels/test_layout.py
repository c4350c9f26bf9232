"""Layouts: every number has one place, panels and tiles of the right size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from engine.compiler.kernels.layout import (
    BLOCK,
    FEW,
    LayerShape,
    Panels,
    Workspace,
    flat_positions,
    layer_layouts,
    packed_size,
    row_tile,
)


def layers(*sizes: int) -> tuple[LayerShape, ...]:
    return tuple(LayerShape(a, b, "relu", 0.0) for a, b in pairwise(sizes))


@given(
    st.lists(st.integers(1, 70), min_size=1, max_size=4),
    st.one_of(st.integers(1, FEW), st.integers(1, 70)),
    st.sampled_from([DOUBLE, FLOAT]),
    st.sampled_from([1, FEW]),
)
def test_every_parameter_has_a_place_of_its_own(sizes: list[int], outputs: int, real: Real, few: int) -> None:
    shapes = layers(*sizes, outputs)
    layouts = layer_layouts(shapes, real, few)
    positions = flat_positions(layouts)
    assert len(positions) == sum((layer.inputs + 1) * layer.units for layer in shapes)
    assert len(np.unique(positions)) == len(positions)
    assert positions.min() >= 0
    assert positions.max() < layouts[-1].end == packed_size(layouts)
    assert packed_size(layouts) % real.lanes == 0


def test_small_networks_are_packed_closely_and_others_in_whole_blocks() -> None:
    iris = layer_layouts(layers(4, 16, 3), DOUBLE, FEW)
    assert [each.start for each in iris] == [0, 5 * 16]
    assert packed_size(iris) == 17 * DOUBLE.lanes  # 5 rows of two, biases, three outputs of two
    block = BLOCK * DOUBLE.lanes
    wide = layer_layouts(layers(30, 32, 3), DOUBLE, FEW)
    assert all(each.start % block == 0 == each.panel % block for each in wide)


@pytest.mark.parametrize(
    ("size", "width", "count"), [(1, 8, 1), (8, 8, 1), (9, 16, 1), (16, 16, 1), (17, 16, 2), (100, 16, 7)]
)
def test_features_fall_into_panels(size: int, width: int, count: int) -> None:
    panels = Panels(size, 8)
    assert (panels.width, panels.count, panels.padded) == (width, count, width * count)


@given(st.integers(1, 3000))
def test_a_tile_of_rows_is_even_and_wastes_little(batch: int) -> None:
    for registers in (16, 32):
        tile = row_tile(batch, registers)
        assert tile == 1 if batch == 1 else tile % 2 == 0
        assert tile <= 12


def test_regions_start_at_cache_lines() -> None:
    workspace = Workspace(DOUBLE)
    assert [workspace.region(n) for n in (1, 8, 9, 3)] == [0, 8, 16, 32]
    assert workspace.size == 40
