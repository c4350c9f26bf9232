"""Samples: options checked, scikit-learn's numbers to the bit."""

from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from engine.data.samples import SAMPLES, describe_samples, make_sample
from engine.data.table import Table
from engine.errors import BadSpec, Problem


def problems(name: str, **options: Any) -> list[Problem]:
    with pytest.raises(BadSpec) as refusal:
        make_sample(name, options)
    return list(refusal.value.problems)


def matrix(table: Table) -> np.ndarray:
    return np.column_stack([column.values for column in table.columns])


def test_the_samples_are_those_of_the_contract() -> None:
    assert set(SAMPLES.names()) == {
        *("moons", "circles", "blobs", "spirals", "xor", "sine"),
        *("iris", "wine", "breast_cancer", "digits", "diabetes"),
    }


@pytest.mark.parametrize("options", [{}, {"n_samples": 100, "random_state": 7}, {"noise": 0.3}])
def test_moons_are_scikit_learns(options: dict[str, Any]) -> None:
    table = make_sample("moons", options)
    x, y = datasets.make_moons(**({"n_samples": 200, "noise": 0.1, "random_state": 1337} | options))
    assert table.names == ("x1", "x2", "y")
    assert (matrix(table) == np.column_stack([x, y])).all()


def test_circles_are_scikit_learns() -> None:
    x, y = datasets.make_circles(n_samples=200, noise=0.1, random_state=1337, factor=0.5)
    assert (matrix(make_sample("circles", {})) == np.column_stack([x, y])).all()
    x, y = datasets.make_circles(n_samples=31, noise=0.0, random_state=2, factor=0.8)
    options = {"n_samples": 31, "noise": 0, "random_state": 2, "factor": 0.8}
    assert (matrix(make_sample("circles", options)) == np.column_stack([x, y])).all()


def test_blobs_are_scikit_learns() -> None:
    options: dict[str, Any] = {
        "n_samples": 50,
        "centers": 4,
        "n_features": 3,
        "cluster_std": 0.5,
        "random_state": 8,
    }
    x, y = datasets.make_blobs(**options)
    assert (matrix(make_sample("blobs", options)) == np.column_stack([x, y])).all()


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_bundled_sets_are_scikit_learns_with_the_target_last(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    table = make_sample(name, {})
    target = table.columns[-1]
    assert target.name == "target"
    assert (matrix(table)[:, :-1] == bunch.data).all()
    if target.type == "category":
        assert target.cells() == [str(bunch.target_names[k]) for k in bunch.target]
    else:
        assert target.values.tolist() == bunch.target.tolist()


@pytest.mark.parametrize("labels", [[-1, 1], ["no", "yes"], [False, True], [2.5, 0.5]])
@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "xor"])
def test_classes_are_renamed(name: str, labels: list[Any]) -> None:
    plain, renamed = make_sample(name, {}).column("y"), make_sample(name, {"labels": labels}).column("y")
    assert renamed.cells() == [labels[int(k)] for k in plain.cells()]
    assert [type(cell) for cell in renamed.cells(0, 5)] == [type(labels[0])] * 5


def test_an_unknown_sample_suggests_the_one_meant() -> None:
    (problem,) = problems("mons")
    assert (problem.pointer, problem.code) == ("/sample", "unknown_name")
    assert problem.hint == 'did you mean "moons"?'


def test_every_wrong_option_is_told_at_once() -> None:
    found = problems("moons", n_samples=3, noise="loud", random_state=1.5, factor=0.5, labels=[1])
    assert [p.pointer for p in found] == [
        "/options/n_samples",
        "/options/noise",
        "/options/random_state",
        "/options/factor",
        "/options/labels",
    ]
    assert found[0].detail == "n_samples must lie between 4 and 1000000, got 3"


@pytest.mark.parametrize(
    "labels", [[1, 1], [1, "1"], [1, None], ["a", "b", "c"], "ab", [[1], [2]], [True, 1]]
)
def test_labels_must_be_different_and_of_one_kind(labels: Any) -> None:
    assert problems("moons", labels=labels)[0].pointer == "/options/labels"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, True, None, "0.1", 11])
def test_noise_is_a_number_within_bounds(value: Any) -> None:
    assert problems("moons", noise=value)[0].pointer == "/options/noise"


def test_samples_without_options_take_none() -> None:
    assert (
        problems("iris", n_samples=10)[0].detail
        == 'sample iris has no option "n_samples"; its options are none'
    )


@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "spirals", "xor", "sine"])
def test_the_seed_decides(name: str) -> None:
    first = matrix(make_sample(name, {"random_state": 5}))
    assert (matrix(make_sample(name, {"random_state": 5})) == first).all()
    assert (matrix(make_sample(name, {"random_state": 6})) != first).any()


def test_every_option_described_is_accepted_at_its_default_and_its_bounds() -> None:
    for sample in describe_samples():
        for option in sample["options"]:
            if option["name"] == "n_samples":
                assert (
                    make_sample(sample["name"], {"n_samples": option["minimum"]}).row_count
                    == option["minimum"]
                )
                assert problems(sample["name"], n_samples=option["maximum"] + 1)
            else:
                assert make_sample(sample["name"], {option["name"]: option["default"]}).row_count == 200
