"""Layouts: every number has one place, panels and tiles of the right size."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler.assembly.ir import DOUBLE, FLOAT
from engine.compiler.kernels.layout import (
    LayerShape,
    Panels,
    Workspace,
    flat_positions,
    layer_layouts,
    row_tile,
)


def layers(*sizes: int) -> tuple[LayerShape, ...]:
    return tuple(LayerShape(a, b, "relu", 0.0) for a, b in pairwise(sizes))


@given(st.lists(st.integers(1, 70), min_size=2, max_size=5), st.sampled_from([DOUBLE, FLOAT]))
def test_every_parameter_has_a_place_of_its_own(sizes: list[int], real: object) -> None:
    shapes = layers(*sizes)
    layouts = layer_layouts(shapes, real)  # type: ignore[arg-type]  # one of the two
    positions = flat_positions(layouts)
    assert len(positions) == sum((layer.inputs + 1) * layer.units for layer in shapes)
    assert len(np.unique(positions)) == len(positions)
    assert positions.min() >= 0
    assert positions.max() < layouts[-1].end


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
