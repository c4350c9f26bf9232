"""Preprocessing against scikit-learn's, fitted on the training rows alone."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

from engine.data.fitting.preprocessing import Encoding, fit_encoding
from engine.data.reading.formats import table_from_rows
from engine.data.table import Table
from engine.errors import BadData

OPTIONS: dict[str, Any] = {
    "scale": "standard",
    "missing": "mean",
    "missing_indicator": False,
    "unknown_category": "error",
    "min_category_rows": 1,
    "scale_target": True,
}
GENERATOR = np.random.default_rng(4)
NUMBERS = GENERATOR.gamma(2.0, 3.0, 60)
TRAIN = np.sort(GENERATOR.permutation(60)[:40])
GAPS = [None if i % 5 == 0 else round(float(x), 1) for i, x in enumerate(NUMBERS)]
WORDS = [None if i % 11 == 3 else "abc"[i % 7 % 3] for i in range(60)]
TABLE = table_from_rows(
    ["x", "gaps", "word", "flag", "flat", "y"],
    [
        [float(NUMBERS[i]), GAPS[i], WORDS[i], i % 3 == 0, 123.456, float(2 * NUMBERS[i] - 7)]
        for i in range(60)
    ],
)


def encoded(table: Table, *features: str, **options: Any) -> np.ndarray:
    return fitted(table, *features, **options).encode(table)


def fitted(table: Table, *features: str, **options: Any) -> Encoding:
    return fit_encoding(table, TRAIN, features, "y", OPTIONS | options, regression=True)


@pytest.mark.parametrize(
    ("scale", "scaler"),
    [("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("robust", RobustScaler())],
)
def test_scales_are_scikit_learns(scale: str, scaler: Any) -> None:
    expected = scaler.fit(NUMBERS[TRAIN, None]).transform(NUMBERS[:, None])
    assert encoded(TABLE, "x", scale=scale) == pytest.approx(expected, rel=1e-12)


def test_without_a_scale_numbers_stay_as_they_are() -> None:
    assert (encoded(TABLE, "x", scale="none")[:, 0] == NUMBERS).all()


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
def test_a_constant_column_becomes_zero_and_stays_small_when_it_moves(scale: str) -> None:
    encoding = fitted(TABLE, "flat", scale=scale)
    assert np.abs(encoding.encode(TABLE)).max() == 0.0
    assert encoding.inputs[0].encode(np.array([123.656])) == pytest.approx(0.2)


@pytest.mark.parametrize("missing", ["mean", "median", "most_frequent"])
def test_gaps_are_filled_like_scikit_learns(missing: str) -> None:
    gaps = np.array([[np.nan if cell is None else cell] for cell in GAPS])
    imputer = SimpleImputer(strategy=missing).fit(gaps[TRAIN])
    filled = imputer.transform(gaps)
    # the scale is fitted on what is present
    scaler = StandardScaler().fit(gaps[TRAIN][~np.isnan(gaps[TRAIN])][:, None])
    assert encoded(TABLE, "gaps", missing=missing) == pytest.approx(scaler.transform(filled), rel=1e-10)


def test_categories_are_scikit_learns_one_hot_columns() -> None:
    kept = [i for i, word in enumerate(WORDS) if word is not None]
    words = np.array([[WORDS[i]] for i in kept])
    expected = OneHotEncoder(sparse_output=False).fit_transform(words)
    assert (encoded(TABLE, "word")[kept] == expected).all()


def test_a_missing_category_is_the_most_frequent_of_the_training_rows() -> None:
    counts = {word: sum(WORDS[i] == word for i in TRAIN) for word in "abc"}
    most = max(counts, key=lambda word: counts[word])
    row = encoded(TABLE, "word")[3]
    assert WORDS[3] is None
    assert row.tolist() == [float(word == most) for word in "abc"]


def test_booleans_are_zero_and_one_unscaled() -> None:
    assert encoded(TABLE, "flag")[:4, 0].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_columns_stand_in_the_order_of_the_features() -> None:
    both = encoded(TABLE, "word", "x")
    assert both.shape == (60, 4)
    assert (both[:, 3:] == encoded(TABLE, "x")).all()
    assert fitted(TABLE, "word", "x").width == 4


def test_nothing_is_learnt_from_the_validation_rows() -> None:
    others = np.setdiff1d(np.arange(60), TRAIN)
    rows = TABLE.rows(0, 60)
    for i in others.tolist():
        rows[i][0], rows[i][1], rows[i][5] = 1e6, -1e6, 1e9
    moved = table_from_rows(list(TABLE.names), rows)
    assert fitted(moved, "x", "gaps", "word") == fitted(TABLE, "x", "gaps", "word")


def test_a_regressions_target_is_standardised_or_left_alone() -> None:
    y = TABLE.column("y").values
    expected = StandardScaler().fit(y[TRAIN, None]).transform(y[:, None])[:, 0]
    assert fitted(TABLE, "x").encode_target(TABLE) == pytest.approx(expected, rel=1e-12)
    assert (fitted(TABLE, "x", scale_target=False).encode_target(TABLE) == y).all()


@pytest.mark.parametrize(
    ("cells", "classes", "positions"),
    [
        (["b", "a", "c", "a"], ("a", "b", "c"), [1, 0, 2, 0]),
        ([3, -1, 10, -1], (-1, 3, 10), [1, 0, 2, 0]),
        ([0.5, 1.5, 0.5, 0.5], (0.5, 1.5), [0, 1, 0, 0]),
        ([True, False, True, True], (False, True), [1, 0, 1, 1]),
        (["9", "10", "9", "9 "], ("10", "9", "9 "), [1, 0, 1, 2]),
    ],
)
def test_classes_are_sorted_and_keep_their_type(
    cells: list[Any], classes: tuple[Any, ...], positions: list[int]
) -> None:
    table = table_from_rows(["x", "y"], [[i, cell] for i, cell in enumerate(cells)])
    encoding = fit_encoding(table, np.arange(2), ("x",), "y", OPTIONS, regression=False)
    assert encoding.target.classes == classes
    assert [type(c) for c in encoding.target.classes] == [type(c) for c in classes]
    assert encoding.encode_target(table).tolist() == positions


def test_a_feature_without_a_value_in_training_is_refused() -> None:
    table = table_from_rows(["x", "y"], [[None, 1], [None, 2], [5, 3]])
    with pytest.raises(BadData, match='column "x" is empty in all training rows'):
        fit_encoding(table, np.array([0, 1]), ("x",), "y", OPTIONS, regression=True)


@pytest.mark.parametrize("target", ["y", "word", "flag"])
def test_encodings_survive_json(target: str) -> None:
    features = ("x", "gaps", "word", "flag")
    encoding = fit_encoding(TABLE, TRAIN, features, target, OPTIONS, regression=target == "y")
    assert Encoding.from_document(json.loads(json.dumps(encoding.to_document()))) == encoding


def test_rare_categories_share_one_input_like_scikit_learns() -> None:
    rows = [[word, i] for i, word in enumerate("aaaaabbbbbccdde")]
    table = table_from_rows(["word", "y"], rows)
    options = OPTIONS | {"min_category_rows": 3}
    encoding = fit_encoding(table, np.arange(15), ("word",), "y", options, regression=True)
    oracle = OneHotEncoder(sparse_output=False, min_frequency=3, handle_unknown="ignore")
    assert (encoding.encode(table) == oracle.fit_transform([[word] for word, _ in rows])).all()
    assert encoding.inputs[0].known == ("a", "b", "c", "d", "e")
    assert encoding.width == 3


def test_a_category_is_rare_by_the_training_rows_alone() -> None:
    table = table_from_rows(["word", "y"], [[word, i] for i, word in enumerate("aaabbb")])
    options = OPTIONS | {"min_category_rows": 2}
    encoding = fit_encoding(table, np.arange(4), ("word",), "y", options, regression=True)
    assert (encoding.inputs[0].categories, encoding.inputs[0].rare) == (("a",), ("b",))


@pytest.mark.parametrize(("missing", "widths"), [("mean", [1, 2, 4, 1]), ("drop", [1, 1, 3, 1])])
def test_an_indicator_says_where_a_gap_was_filled(missing: str, widths: list[int]) -> None:
    encoding = fitted(TABLE, "x", "gaps", "word", "flag", missing=missing, missing_indicator=True)
    assert [each.width for each in encoding.inputs] == widths
    if missing == "mean":
        assert encoding.encode(TABLE)[:, 2].tolist() == [float(cell is None) for cell in GAPS]
        assert encoding.encode(TABLE)[:, 6].tolist() == [float(word is None) for word in WORDS]


def test_dropped_rows_leave_the_categories_in_place() -> None:
    table = table_from_rows(["word", "y"], [["a", 1], ["b", 2], ["c", 3], ["c", 4]]).take(np.array([0, 2, 3]))
    encoding = fit_encoding(table, np.arange(3), ("word",), "y", OPTIONS, regression=True)
    assert encoding.inputs[0].categories == ("a", "c")
    assert encoding.encode(table).tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
