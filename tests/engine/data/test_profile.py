"""Profiles against NumPy: in blocks as in one piece, and bounded where columns are rich."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data import profile
from engine.data.profile import ColumnProfile, Slices, is_identifier, mean_and_deviation, profile_of

finite = st.floats(-1e6, 1e6, allow_subnormal=False)


def of_numbers(values: list[float | None], size: int = 3) -> ColumnProfile:
    cells = pl.Series(values, dtype=pl.Float64)
    slices = [cells[start : start + size] for start in range(0, len(cells), size)]
    return profile_of([Slices("x", "number", lambda: iter(slices))], len(values)).columns[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | finite | st.sampled_from([0.0, 1.0, -2.0]), min_size=1, max_size=40))
def test_statistics_are_numpys_whatever_the_blocks(values: list[float | None]) -> None:
    present = np.array([value for value in values if value is not None])
    before, profile.BLOCK = profile.BLOCK, 4
    try:
        found = of_numbers(values)
    finally:
        profile.BLOCK = before
    assert found.missing == len(values) - len(present)
    assert found.distinct == len(np.unique(present))
    if len(present):
        assert (found.min, found.max) == (present.min(), present.max())
        assert found.mean == pytest.approx(present.mean(), rel=1e-12, abs=1e-9)
        assert found.std == pytest.approx(present.std(), rel=1e-9, abs=1e-9)
        assert sum(found.histogram) == len(present)
        distinct, counts = np.unique(present, return_counts=True)
        assert found.categories == tuple(zip(distinct.tolist(), counts.tolist(), strict=True))


def test_the_histogram_is_numpys() -> None:
    values = np.random.default_rng(3).normal(size=5_000)
    expected, _ = np.histogram(values, profile.HISTOGRAM_BINS)
    assert of_numbers(values.tolist(), 512).histogram == tuple(expected.tolist())


def test_large_numbers_do_not_overflow() -> None:
    assert mean_and_deviation(np.array([1e308, -1e308])) == (0.0, 1e308)
    assert sum(of_numbers([1.7e308, -1.7e308, 0.0]).histogram) == 3


def test_a_column_rich_in_texts_is_counted_and_not_listed() -> None:
    words = pl.Series([f"w{i}" for i in range(1_500)] + ["w0", None])
    column = Slices("w", "category", lambda: iter([words]))
    (found,) = profile_of([column], len(words)).columns
    assert (found.distinct, found.missing, found.categories) == (1_500, 1, ())
    assert not is_identifier(found, len(words))


def test_an_identifier_has_as_many_values_as_cells() -> None:
    words = pl.Series([f"w{i}" for i in range(1_500)] + [None])
    made = profile_of([Slices("w", "category", lambda: iter([words]))], len(words))
    assert is_identifier(made.columns[0], len(words))
    assert "is text with 1500 distinct values in 1501 rows" in made.warnings[0]
