"""The samples themselves, most of them scikit-learn's. Heavy to import: `samples.py` loads it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from engine.data.reading.formats import table_from_rows
from engine.data.table import Column, Table, category_column

Array = NDArray[np.float64]


def _points(x: Array, y: NDArray[Any], labels: Sequence[Any] | None = None) -> Table:
    """Columns x1, x2, … and the class or number y, classes renamed by `labels`."""
    columns = [Column(f"x{i + 1}", "number", np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])]
    if labels is None:
        return Table((*columns, Column("y", "number", y.astype(np.float64))), len(y))
    renamed = table_from_rows(["y"], [[labels[int(position)]] for position in y.tolist()])
    return Table((*columns, renamed.columns[0]), len(y))


def moons(n_samples: int, noise: float, random_state: int, labels: Sequence[Any] | None = None) -> Table:
    """scikit-learn's make_moons."""
    x, y = datasets.make_moons(n_samples, noise=noise, random_state=random_state)
    return _points(x, y, labels)


def circles(
    n_samples: int, noise: float, random_state: int, factor: float, labels: Sequence[Any] | None = None
) -> Table:
    """scikit-learn's make_circles."""
    x, y = datasets.make_circles(n_samples, noise=noise, random_state=random_state, factor=factor)
    return _points(x, y, labels)


def blobs(n_samples: int, centers: int, n_features: int, cluster_std: float, random_state: int) -> Table:
    """scikit-learn's make_blobs."""
    x, y = datasets.make_blobs(
        n_samples, n_features, centers=centers, cluster_std=cluster_std, random_state=random_state
    )
    return _points(x, y)


def spirals(n_samples: int, noise: float, random_state: int, labels: Sequence[Any] | None = None) -> Table:
    """Two Archimedean spirals of one and a half turns, the second half a turn behind the first."""
    generator = np.random.default_rng(random_state)
    y = np.arange(n_samples) % 2
    turn = 3.0 * np.pi * np.sqrt(generator.random(n_samples))
    angle, radius = turn + np.pi * y, turn / (1.5 * np.pi)
    x = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _points(x + generator.normal(0.0, noise, x.shape), y, labels)


def xor(n_samples: int, noise: float, random_state: int, labels: Sequence[Any] | None = None) -> Table:
    """The corners of the square from −1 to 1, class 1 where the signs differ."""
    generator = np.random.default_rng(random_state)
    corner = np.arange(n_samples) % 4
    x = np.column_stack([np.where(corner < 2, -1.0, 1.0), np.where(corner % 2 == 0, -1.0, 1.0)])
    y = (x[:, 0] != x[:, 1]).astype(np.int64)
    return _points(x + generator.normal(0.0, noise, x.shape), y, labels)


def sine(n_samples: int, noise: float, random_state: int) -> Table:
    """sin(x) with noise, x uniform between −π and π."""
    generator = np.random.default_rng(random_state)
    x = generator.uniform(-np.pi, np.pi, n_samples)
    return _points(x[:, None], np.sin(x) + generator.normal(0.0, noise, n_samples))


def _bundled(bunch: Any) -> Table:
    """A data set that scikit-learn carries: its own column names, the target last, classes by their names."""
    columns = [
        Column(_plain(name), "number", np.ascontiguousarray(bunch.data[:, i], dtype=np.float64))
        for i, name in enumerate(bunch.feature_names)
    ]
    return Table((*columns, _bundled_target(bunch)), len(bunch.target))


def _bundled_target(bunch: Any) -> Column:
    names = getattr(bunch, "target_names", None)
    if names is not None and isinstance(names[0], str):
        return category_column("target", [str(names[k]) for k in bunch.target.tolist()])
    return Column("target", "number", bunch.target.astype(np.float64))


def _plain(name: str) -> str:
    """scikit-learn's "sepal length (cm)" as sepal_length_cm."""
    return "_".join(name.replace("(", "").replace(")", "").replace("/", " ").split())


def iris() -> Table:
    """scikit-learn's iris."""
    return _bundled(datasets.load_iris())


def wine() -> Table:
    """scikit-learn's wine."""
    return _bundled(datasets.load_wine())


def breast_cancer() -> Table:
    """scikit-learn's breast cancer."""
    return _bundled(datasets.load_breast_cancer())


def digits() -> Table:
    """scikit-learn's digits."""
    return _bundled(datasets.load_digits())


def diabetes() -> Table:
    """scikit-learn's diabetes, as bundled: each column centred and scaled to the norm 1."""
    return _bundled(datasets.load_diabetes())
