"""Splits: disjoint, complete, by the seed, every class in its share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.splits import train_validation_rows

shares = st.floats(0.01, 0.9)


@given(st.integers(2, 200), shares, st.integers(0, 2**53 - 1))
def test_every_row_is_on_one_side(count: int, share: float, seed: int) -> None:
    train, validation = train_validation_rows(count, share, seed)
    assert sorted([*train, *validation]) == list(range(count))
    assert len(train) >= 1
    assert abs(len(validation) - share * count) <= 1.0
    assert len(validation) >= 1
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()


@given(st.lists(st.integers(0, 4), min_size=2, max_size=120), shares, st.integers(0, 100))
def test_every_class_gives_its_share(classes: list[int], share: float, seed: int) -> None:
    codes = np.array(classes, dtype=np.float64)
    train, validation = train_validation_rows(len(codes), share, seed, codes)
    assert sorted([*train, *validation]) == list(range(len(codes)))
    for c in set(classes):
        total, held_back = classes.count(c), int((codes[validation] == c).sum())
        assert held_back < total
        assert abs(held_back - share * total) <= 1.0
        assert total == 1 or held_back >= 1


def test_a_class_of_one_row_stays_in_training() -> None:
    codes = np.array([0.0] * 20 + [1.0])
    assert all(20 in train_validation_rows(21, 0.5, seed, codes)[0] for seed in range(20))


def test_no_share_means_no_validation_rows() -> None:
    train, validation = train_validation_rows(5, 0.0, 1, np.zeros(5))
    assert train.tolist() == [0, 1, 2, 3, 4]
    assert len(validation) == 0


@pytest.mark.parametrize("classes", [None, np.arange(100) % 3.0])
def test_the_seed_decides(classes: np.ndarray | None) -> None:
    first = train_validation_rows(100, 0.2, 1, classes)[1].tolist()
    assert train_validation_rows(100, 0.2, 1, classes)[1].tolist() == first
    assert train_validation_rows(100, 0.2, 2, classes)[1].tolist() != first


def test_every_row_is_held_back_about_equally_often() -> None:
    held_back = np.zeros(50)
    for seed in range(2_000):
        held_back[train_validation_rows(50, 0.2, seed)[1]] += 1
    assert held_back.sum() == 2_000 * 10
    # each count is binomial(2000, 0.2): deviation 17.9
    assert np.abs(held_back - 400.0).max() < 5 * 17.9
