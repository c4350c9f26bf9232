"""Every loss: closed forms, scikit-learn's metrics, derivatives by the definition, extreme scores."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.value import Value
from engine.execution.arrays import BatchLoss
from engine.nn.losses import LOSSES, Loss

CLOSED: dict[str, Callable[[Any, Any], Any]] = {
    "hinge": lambda s, y: np.maximum(0.0, 1.0 - y * s),
    "squared_hinge": lambda s, y: np.maximum(0.0, 1.0 - y * s) ** 2,
    "binary_cross_entropy": lambda s, y: -(y * special.log_expit(s) + (1.0 - y) * special.log_expit(-s)),
    "mse": lambda s, y: (s - y) ** 2,
    "mae": lambda s, y: np.abs(s - y),
    "huber": lambda s, y: special.huber(1.0, s - y),
}
TARGETS = {"margin": (-1.0, 1.0), "indicator": (0.0, 1.0), "value": (-0.83, 2.17)}
SCORES = (-3.1, -0.62, 0.15, 0.71, 2.4)
ELEMENTWISE = [(name, loss) for name, loss in LOSSES if not loss.rowwise]
each_elementwise = pytest.mark.parametrize(("name", "loss"), ELEMENTWISE, ids=[n for n, _ in ELEMENTWISE])


def of_row(loss: Loss, outputs: int) -> Callable[..., Value]:
    """A rowwise loss as a function of its scores and then its targets."""
    return lambda *v: loss.function(v[:outputs], v[outputs:])


def batch_mean(name: str, scores: Any, targets: Any) -> float:
    s, y = np.array(scores, dtype=np.float64), np.array(targets, dtype=np.float64)
    return BatchLoss(LOSSES.get(name), np.atleast_2d(s.T).T, np.atleast_2d(y.T).T, None).mean


def test_every_loss_has_a_judge() -> None:
    assert {*CLOSED, "cross_entropy"} == set(LOSSES.names())


@each_elementwise
def test_its_value_is_the_closed_form(name: str, loss: Loss) -> None:
    for s in SCORES:
        for y in TARGETS[loss.targets]:
            expected = float(CLOSED[name](s, y))
            assert loss.function(Value(s), Value(y)).data == pytest.approx(expected, rel=1e-13, abs=1e-15)


@each_elementwise
def test_its_slope_is_that_of_the_definition(name: str, loss: Loss) -> None:
    for s in SCORES:
        for y in TARGETS[loss.targets]:
            expected = numerical_gradient(loss.function, (s, y))
            made = analytical_gradient(loss.function, (s, y))
            assert made == pytest.approx(expected, rel=1e-8, abs=1e-9)


@each_elementwise
@pytest.mark.parametrize("s", [1000.0, -1000.0])
def test_extreme_scores_give_finite_losses_and_slopes(name: str, loss: Loss, s: float) -> None:
    for y in TARGETS[loss.targets]:
        assert loss.function(Value(s), Value(y)).data == pytest.approx(float(CLOSED[name](s, y)), rel=1e-14)
        assert all(map(math.isfinite, analytical_gradient(loss.function, (s, y))))


@pytest.mark.parametrize(("name", "kink"), [("hinge", 1.0), ("squared_hinge", 1.0), ("mae", 0.0)])
def test_the_slope_at_a_kink_is_zero(name: str, kink: float) -> None:
    y = 0.0 if name == "mae" else 1.0
    assert analytical_gradient(LOSSES.get(name).function, (kink, y))[0] == 0.0


@pytest.mark.parametrize("error", [-5.0, -1.0, -0.5, 0.0, 0.5, 1.0, 5.0])
def test_hubers_slope_is_the_clipped_error(error: float) -> None:
    slope = analytical_gradient(LOSSES.get("huber").function, (error + 2.0, 2.0))[0]
    assert slope == pytest.approx(max(-1.0, min(1.0, error)), abs=1e-15)


@pytest.mark.parametrize("outputs", [2, 3, 7])
def test_cross_entropy_is_the_softmaxs_logarithm_and_its_slope_softmax_minus_one_hot(outputs: int) -> None:
    function = of_row(LOSSES.get("cross_entropy"), outputs)
    scores = [math.sin(3.0 * k) * 2.0 for k in range(outputs)]
    for true in range(outputs):
        targets = [float(k == true) for k in range(outputs)]
        value = function(*map(Value, [*scores, *targets])).data
        assert value == pytest.approx(-special.log_softmax(scores)[true], rel=1e-13)
        slopes = analytical_gradient(function, [*scores, *targets])[:outputs]
        assert slopes == pytest.approx(special.softmax(scores) - targets, rel=1e-12, abs=1e-15)
        assert slopes == pytest.approx(numerical_gradient(function, [*scores, *targets])[:outputs], abs=1e-9)


@pytest.mark.parametrize(
    "scores", [(1000.0, -1000.0, 0.0), (-1000.0, -1000.0, -1000.0), (1e300, 0.0, -1e300)]
)
def test_cross_entropy_of_extreme_scores_is_finite(scores: tuple[float, ...]) -> None:
    function = of_row(LOSSES.get("cross_entropy"), 3)
    for true in range(3):
        point = [*scores, *(float(k == true) for k in range(3))]
        assert function(*map(Value, point)).data == pytest.approx(
            -special.log_softmax(scores)[true], rel=1e-14
        )
        assert sum(analytical_gradient(function, point)[:3]) == pytest.approx(0.0, abs=1e-12)


GENERATOR = np.random.default_rng(5)
SCORED = GENERATOR.normal(0.0, 2.0, 40)
CLASSES = GENERATOR.integers(0, 2, 40)
NUMBERS = GENERATOR.normal(0.0, 2.0, 40)


def test_batches_have_scikit_learns_metrics() -> None:
    margins = 2 * CLASSES - 1
    probability = special.expit(SCORED)
    expected = {
        "hinge": (metrics.hinge_loss(margins, SCORED), margins),
        "binary_cross_entropy": (metrics.log_loss(CLASSES, probability), CLASSES),
        "mse": (metrics.mean_squared_error(NUMBERS, SCORED), NUMBERS),
        "mae": (metrics.mean_absolute_error(NUMBERS, SCORED), NUMBERS),
    }
    for name, (value, targets) in expected.items():
        assert batch_mean(name, SCORED, targets) == pytest.approx(value, rel=1e-12), name


def test_a_batch_of_several_classes_has_scikit_learns_log_loss() -> None:
    scores = GENERATOR.normal(0.0, 3.0, (30, 4))
    labels = np.arange(30) % 4
    expected = metrics.log_loss(labels, special.softmax(scores, axis=1))
    assert batch_mean("cross_entropy", scores, np.eye(4)[labels]) == pytest.approx(expected, rel=1e-12)


def test_margins_are_summed_over_a_rows_scores_and_errors_averaged_over_elements() -> None:
    scores, margins = [[0.5, -2.0], [3.0, 0.25]], [[1.0, -1.0], [1.0, -1.0]]
    assert batch_mean("hinge", scores, margins) == pytest.approx((0.5 + 0.0 + 0.0 + 1.25) / 2)
    assert batch_mean("mse", scores, margins) == pytest.approx((0.25 + 1.0 + 4.0 + 1.5625) / 4)


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_batchs_slopes_are_those_of_its_weighted_mean(name: str) -> None:
    loss = LOSSES.get(name)
    scores = GENERATOR.normal(0.0, 1.5, (5, 3))
    indicator = np.eye(3)[[0, 2, 1, 1, 0]]
    targets = 2.0 * indicator - 1.0 if loss.targets == "margin" else indicator
    weights = np.array([0.5, 2.0, 1.0, 0.25, 1.25])
    slopes = BatchLoss(loss, scores, targets, weights).slopes()
    for i, k in np.ndindex(5, 3):
        moved = [scores.copy(), scores.copy()]
        moved[0][i, k] += 1e-6
        moved[1][i, k] -= 1e-6
        up, down = (BatchLoss(loss, s, targets, weights).mean for s in moved)
        assert slopes[i, k] == pytest.approx((up - down) / 2e-6, abs=1e-8)
