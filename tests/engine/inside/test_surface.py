"""Surfaces against predictions, point by point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.samples import make_sample
from engine.errors import BadData
from engine.inside.surface import Surface, make_axis, points_on, surface, usual_value
from engine.models.model import TrainedModel
from tests.engine.trained import MOONS, fruit_model, mixed_table, moons_model, trained


def plane(model: TrainedModel, x: str, y: str, count: int = 7, **held: Any) -> Surface:
    axes = [make_axis(model, side, name, (None, None), count) for side, name in (("x", x), ("y", y))]
    return surface(model, axes[0], axes[1], held)


def two_numbers_model() -> TrainedModel:
    """Three classes over a number, a boolean, a category and the weight."""
    return trained(mixed_table(), target="kind", model={"hidden_layers": [6]})


def test_every_point_is_the_prediction_there() -> None:
    model = two_numbers_model()
    found = plane(model, "size", "weight", colour="green", ripe=True)
    labels = found.labels
    assert labels is not None
    assert model.classes is not None
    for i, weight in enumerate(found.y.values):
        for j, size in enumerate(found.x.values):
            row = {"size": float(size), "ripe": True, "colour": "green", "weight": float(weight)}
            answer = model.predict([row])[0]
            assert found.scores[:, i, j].tolist() == pytest.approx(answer["scores"], rel=1e-12, abs=1e-12)
            assert model.classes[int(labels[i, j])] == answer["label"]


def test_by_default_it_reaches_a_little_beyond_the_data() -> None:
    found = plane(moons_model(), "x1", "x2")
    lowest, highest = moons_model().inputs[0].lowest, moons_model().inputs[0].highest
    assert lowest is not None
    assert highest is not None
    assert found.x.low < lowest < highest < found.x.high
    assert found.x.values[[0, -1]].tolist() == [found.x.low, found.x.high]
    assert found.held == {}


def test_what_is_not_named_keeps_its_usual_value() -> None:
    found = plane(two_numbers_model(), "size", "weight")
    assert set(found.held) == {"ripe", "colour"}
    assert found.held["colour"] in ("red", "green", "blue")
    assert [type(usual_value(each)) for each in fruit_model().inputs] == [float, bool, str]


def test_the_document_is_json_and_a_regression_has_no_labels() -> None:
    model = trained(mixed_table(), target="weight", features=["size", "ripe"], model={"hidden_layers": [4]})
    with pytest.raises(BadData):
        plane(model, "size", "ripe")
    document = plane(moons_model(), "x1", "x2").to_document()
    assert np.shape(document["scores"]) == (1, 7, 7)
    assert np.shape(document["labels"]) == (7, 7)


def test_points_are_the_tables_own() -> None:
    table = make_sample("moons", MOONS)
    found = points_on(plane(moons_model(), "x2", "x1"), moons_model(), table, 1_000)
    assert found["x"] == table.column("x2").values.tolist()
    assert len(points_on(plane(moons_model(), "x2", "x1"), moons_model(), table, 10)["x"]) == 10


@pytest.mark.parametrize(
    ("x", "y", "held", "pointer"),
    [
        ("x1", "x1", {}, "/y"),
        ("x3", "x1", {}, "/x"),
        ("x1", "x2", {"x3": 1.0}, "/hold.x3"),
        ("x1", "x2", {"x1": 1.0}, "/hold.x1"),
    ],
)
def test_a_plane_that_is_none_is_refused(x: str, y: str, held: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadData) as refused:
        plane(moons_model(), x, y, **held)
    assert refused.value.problems[0].pointer == pointer


def test_an_axis_goes_from_less_to_more() -> None:
    with pytest.raises(BadData, match="x_min must be less than x_max"):
        make_axis(moons_model(), "x", "x1", (2.0, 1.0), 5)
