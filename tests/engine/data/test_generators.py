"""The house's own samples have the shapes their names promise."""

import numpy as np
import pytest

from engine.data.samples import make_sample

CLEAN = {"n_samples": 400, "noise": 0.0}


def columns(name: str) -> list[np.ndarray]:
    return [column.values for column in make_sample(name, CLEAN).columns]


def test_xor_is_one_where_the_signs_differ() -> None:
    x1, x2, y = columns("xor")
    assert set(zip(x1, x2, strict=True)) == {(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)}
    assert (y == (x1 * x2 < 0)).all()
    assert y.mean() == 0.5


def test_sine_is_a_sine() -> None:
    x, y = columns("sine")
    assert y == pytest.approx(np.sin(x), abs=1e-15)
    assert -np.pi <= x.min() < -3.0
    assert 3.0 < x.max() <= np.pi


def test_the_second_spiral_is_the_first_turned_by_half() -> None:
    x1, x2, y = columns("spirals")
    radius, angle = np.hypot(x1, x2), np.arctan2(x2, x1)
    turn = 1.5 * np.pi * radius  # Archimedes: the radius grows with the angle
    off = (angle - turn - np.pi * y + np.pi) % (2.0 * np.pi) - np.pi
    assert np.abs(off).max() < 1e-9
    assert radius.max() < 2.0
    assert y.mean() == 0.5


def test_noise_has_the_deviation_asked_for() -> None:
    noisy = make_sample("xor", {"n_samples": 4000, "noise": 0.25})
    off = np.abs(noisy.column("x1").values) - 1.0
    assert off.std() == pytest.approx(0.25, rel=0.05)


def test_columns_of_bundled_sets_have_plain_names() -> None:
    names = make_sample("iris", {}).names
    assert names == ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm", "target")
    assert "od280_od315_of_diluted_wines" in make_sample("wine", {}).names
