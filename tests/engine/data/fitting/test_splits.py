"""Splits: disjoint, complete, by the seed, every class in its share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.fitting.splits import fold_rows, rows_of_split_column, train_validation_rows
from engine.data.reading.formats import table_from_rows

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


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 100), st.booleans())
def test_each_row_is_held_back_by_one_fold(count: int, folds: int, seed: int, stratified: bool) -> None:
    folds = min(folds, count)
    classes = (np.arange(count) % 3).astype(np.float64) if stratified else None
    parts = [fold_rows(count, folds, fold, seed, classes) for fold in range(folds)]
    assert sorted(np.concatenate([held for _, held in parts]).tolist()) == list(range(count))
    for train, held in parts:
        assert sorted([*train, *held]) == list(range(count))
        assert abs(len(held) - count / folds) < 1.0


def test_folds_hold_each_class_in_its_share() -> None:
    classes = np.array([0.0] * 50 + [1.0] * 10)
    held = [fold_rows(60, 5, fold, 7, classes)[1] for fold in range(5)]
    assert [int(classes[rows].sum()) for rows in held] == [2] * 5


def test_a_column_names_the_parts() -> None:
    cells = ["train", "Val", "TEST", "validation", " training"]
    column = table_from_rows(["part"], [[cell] for cell in cells]).column("part")
    train, validation = rows_of_split_column(column)
    assert (train.tolist(), validation.tolist()) == ([0, 4], [1, 3])
    flags = table_from_rows(["held"], [[True], [False]]).column("held")
    assert [rows.tolist() for rows in rows_of_split_column(flags)] == [[1], [0]]
