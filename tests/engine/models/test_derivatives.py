"""Derivatives of predictions: the judge is the prediction itself, moved a little."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import BadData
from engine.models.derivatives import Derivatives, chosen_output, derivatives
from engine.models.model import TrainedModel
from engine.nn.activations import ACTIVATIONS
from tests.engine.trained import fruit_model, moons_model, weight_model

ROWS = [[0.52, -0.21], [-0.93, 0.94], [1.54, 0.13], [0.01, 0.02]]
FRUIT = [[31.0, True, "red"], [22.5, False, "green"], [40.0, True, "blue"]]
SMOOTH = [name for name in ACTIVATIONS.names() if name not in ("relu", "leaky_relu", "elu")]


def difference(answer: Callable[[float], float], x: float, step: float = 1e-4) -> float:
    """The central difference, its h² term taken away by a second one of half the width."""

    def central(h: float) -> float:
        return (answer(x + h) - answer(x - h)) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


def prediction(model: TrainedModel, row: list[Any], output: int) -> float:
    answer = model.predict([row])[0]
    return float(answer["value"] if "value" in answer else answer["scores"][output])


def by_difference(model: TrainedModel, row: list[Any], position: int, output: int) -> float:
    def moved(x: float) -> float:
        return prediction(model, [*row[:position], x, *row[position + 1 :]], output)

    return difference(moved, row[position])


@pytest.mark.parametrize("activation", ACTIVATIONS.names())
def test_they_are_the_slopes_of_predictions(activation: str) -> None:
    model = moons_model(activation)
    found = derivatives(model, ROWS)
    for row, gradient, value in zip(ROWS, found.gradients, found.values, strict=True):
        assert value == pytest.approx(prediction(model, row, 0), rel=1e-14)
        for position, name in enumerate(("x1", "x2")):
            judge = by_difference(model, row, position, 0)
            assert abs(gradient[name] - judge) <= 1e-6 * max(1.0, abs(judge))


@pytest.mark.parametrize("output", [0, 1, 2])
def test_every_score_has_its_own(output: int) -> None:
    found = derivatives(fruit_model(), FRUIT, output=output)
    assert found.outputs == [output] * 3
    for row, gradient in zip(FRUIT, found.gradients, strict=True):
        judge = by_difference(fruit_model(), row, 0, output)
        assert abs(gradient["size"] - judge) <= 1e-6 * max(1.0, abs(judge))


def test_by_default_it_is_the_predicted_class() -> None:
    model = fruit_model()
    found = derivatives(model, FRUIT)
    assert model.classes is not None
    assert [model.classes[i] for i in found.outputs] == [each["label"] for each in model.predict(FRUIT)]


def test_a_regression_answers_in_the_targets_own_unit() -> None:
    found = derivatives(weight_model(), FRUIT)
    for row, gradient, value in zip(FRUIT, found.gradients, found.values, strict=True):
        assert value == pytest.approx(prediction(weight_model(), row, 0), rel=1e-14)
        judge = by_difference(weight_model(), row, 0, 0)
        assert abs(gradient["size"] - judge) <= 1e-6 * max(1.0, abs(judge))


def test_a_category_has_a_slope_for_each_of_its_inputs() -> None:
    model = fruit_model()
    gradient = derivatives(model, FRUIT[:1], output=1).gradients[0]
    assert sorted(gradient["colour"]) == ["blue", "green", "red"]
    encoded = np.array([[(31.0 - model.inputs[0].offset) / model.inputs[0].scale, 1.0, 0.0, 0.0, 1.0]])
    for position, name in enumerate(model.inputs[2].categories):

        def moved(x: float, at: int = 2 + position) -> float:
            row = encoded.copy()
            row[0, at] = x
            return float(model.scores(row)[0, 1])

        judge = difference(moved, encoded[0, 2 + position])
        assert abs(gradient["colour"][name] - judge) <= 1e-6 * max(1.0, abs(judge))


def test_a_missing_number_counts_as_what_was_filled_in() -> None:
    model = fruit_model()
    hole = derivatives(model, [[None, True, "red"]], output=0)
    filled = derivatives(model, [[model.inputs[0].fill, True, "red"]], output=0)
    assert hole == filled


@pytest.mark.parametrize("activation", SMOOTH)
def test_second_derivatives_are_the_slopes_of_the_first(activation: str) -> None:
    model = moons_model(activation)
    found = derivatives(model, ROWS, order=2)
    assert found.hessians is not None
    for row, hessian in zip(ROWS, found.hessians, strict=True):
        for position, name in enumerate(("x1", "x2")):
            for other in ("x1", "x2"):

                def slope(x: float, row: list[float] = row, at: int = position, by: str = other) -> float:
                    moved = [*row[:at], x, *row[at + 1 :]]
                    return float(derivatives(model, [moved]).gradients[0][by])

                judge = difference(slope, row[position])
                assert abs(hessian[name][other] - judge) <= 1e-6 * max(1.0, abs(judge))
                assert hessian[name][other] == hessian[other][name]


def test_second_derivatives_know_units_and_categories() -> None:
    hessians = derivatives(weight_model(), FRUIT, order=2).hessians
    assert hessians is not None

    def slope(x: float) -> float:
        return float(derivatives(weight_model(), [[x, True, "red"]]).gradients[0]["size"])

    judge = difference(slope, 31.0)
    assert abs(hessians[0]["size"]["size"] - judge) <= 1e-6 * max(1.0, abs(judge))
    assert sorted(hessians[0]["colour"]["red"]) == ["colour", "ripe", "size"]
    assert hessians[0]["colour"]["red"]["size"] == hessians[0]["size"]["colour"]["red"]


def test_many_rows_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(3)
    rows = [[draw.uniform(-1, 2), draw.uniform(-1, 1)] for _ in range(500)]
    whole = derivatives(moons_model(), rows, order=2)
    monkeypatch.setattr("engine.models.derivatives.CHUNK_CELLS", 2_000)
    parts = derivatives(moons_model(), rows, order=2)
    assert numbers(whole) == pytest.approx(numbers(parts), rel=1e-12, abs=1e-13)


def numbers(found: Derivatives) -> list[float]:
    return [x for gradient in found.gradients for x in gradient.values()]


def test_inputs_that_overflow_are_named() -> None:
    with pytest.raises(BadData) as refused:
        derivatives(moons_model("relu"), [[0.0, 0.0], [1e308, -1e308]])
    problem = refused.value.problems[0]
    assert (problem.pointer, problem.code) == ("/instances/1", "not_finite")


@pytest.mark.parametrize(
    ("model", "output", "label", "chosen"),
    [
        (moons_model, None, None, None),
        (moons_model, 0, None, 0),
        (moons_model, None, 1, 0),
        (moons_model, None, 0, 0),
        (fruit_model, None, "pear", 1),
        (weight_model, 0, None, 0),
    ],
)
def test_an_output_is_named_by_index_or_class(
    model: Callable[[], TrainedModel], output: int | None, label: Any, chosen: int | None
) -> None:
    assert chosen_output(model(), output, label) == chosen


@pytest.mark.parametrize(
    ("model", "output", "label", "pointer", "hint"),
    [
        (moons_model, 1, None, "/output", ""),
        (moons_model, -1, None, "/output", ""),
        (moons_model, None, 2, "/label", ""),
        (moons_model, None, True, "/label", ""),
        (fruit_model, None, "peer", "/label", 'did you mean "pear"?'),
        (fruit_model, 1, "pear", "/label", ""),
        (weight_model, None, 3.0, "/label", ""),
    ],
)
def test_an_output_that_is_not_there_is_refused(
    model: Callable[[], TrainedModel], output: int | None, label: Any, pointer: str, hint: str
) -> None:
    with pytest.raises(BadData) as refused:
        chosen_output(model(), output, label)
    assert refused.value.problems[0].pointer == pointer
    assert hint in refused.value.problems[0].hint
