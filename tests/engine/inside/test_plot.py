"""Surfaces as pictures, read back as XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from engine.data.samples import make_sample
from engine.inside.plot import SIDE, draw_surface, ticks
from engine.inside.surface import Axis, Surface, points_on
from tests.engine.inside.test_surface import plane
from tests.engine.trained import MOONS, mixed_table, moons_model, trained

X, Y = Axis("x1", -1.0, 1.0, 21), Axis("x2", -1.0, 1.0, 21)


def slope() -> Surface:
    """Positive right of x1 = 0.25."""
    across = np.broadcast_to(X.values - 0.25, (21, 21))
    return Surface(X, Y, {}, across[None].copy(), (0, 1))


def test_the_boundary_lies_where_the_score_is_zero() -> None:
    svg = draw_surface(slope())
    path = re.search(r'id="boundary" d="([^"]+)"', svg)
    assert path is not None
    across = {float(x) for x in re.findall(r"[ML]([\d.]+) ", path[1])}
    cell = SIDE / 21
    assert len(across) == 1
    assert across.pop() == pytest.approx(70 + (1.25 / 2 * 20 + 0.5) * cell, abs=0.02)


def test_it_has_points_axes_and_a_legend() -> None:
    model = moons_model()
    found = plane(model, "x1", "x2", 40)
    points = points_on(found, model, make_sample("moons", MOONS), 1_000)
    svg = draw_surface(found, points, "The moons")
    groups = {g.get("id"): g for g in ElementTree.fromstring(svg).iter() if g.get("id")}
    assert {"surface", "boundary", "points", "axes", "legend"} <= set(groups)
    assert len(list(groups["points"])) == 100
    assert {each.tag.rpartition("}")[2] for each in groups["points"]} == {"circle", "path"}
    assert {"x1", "x2"} <= set(groups["axes"].itertext())
    assert {"0", "1"} <= set(groups["legend"].itertext())


def test_a_regression_is_shaded_by_number() -> None:
    model = trained(mixed_table(), target="weight", features=["size", "ripe"], model={"hidden_layers": [4]})
    assert model.classes is None
    found = Surface(X, Y, {}, np.add.outer(Y.values, X.values)[None], None)
    svg = draw_surface(found)
    assert 'id="boundary"' not in svg
    assert {"2", "-2"} <= set(ElementTree.fromstring(svg).itertext())


def test_names_are_escaped_and_infinite_scores_drawn() -> None:
    scores = np.full((1, 2, 2), np.inf)
    svg = draw_surface(Surface(Axis("<a>&", 0, 1, 2), Axis('"b"', 0, 1, 2), {}, scores, None))
    assert "<a>&" in set(ElementTree.fromstring(svg).itertext())


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-3.7, 12.2), (1e-9, 3e-9), (1e6, 1.00001e6), (-5e8, 5e8)]
)
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low <= value <= high for value in found)
