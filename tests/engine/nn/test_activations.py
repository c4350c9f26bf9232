"""Every activation: its values and slopes by other hands, its derivative by the definition."""

import math

import numpy as np
import pytest
from scipy import special

from engine.autograd.gradcheck import analytical_gradient, numerical_gradient
from engine.autograd.value import Value
from engine.autograd.vectorized import vectorized
from engine.nn.activations import ACTIVATIONS, Activation

POINTS = [-3.0, -0.5, 0.0, 0.25, 4.0]
# torch 2.13.0, float64: y = torch.nn.functional.<name>(x); y.sum().backward(); (y.tolist(), x.grad.tolist())
TORCH = {
    "tanh": (
        [-0.9950547536867305, -0.4621171572600098, 0.0, 0.24491866240370913, 0.999329299739067],
        [0.009866037165440166, 0.7864477329659274, 1.0, 0.940014848806378, 0.0013409506830259165],
    ),
    "relu": ([0.0, 0.0, 0.0, 0.25, 4.0], [0.0, 0.0, 0.0, 1.0, 1.0]),
    "leaky_relu": ([-0.03, -0.005, 0.0, 0.25, 4.0], [0.01, 0.01, 0.01, 1.0, 1.0]),
    "elu": (
        [-0.950212931632136, -0.3934693402873666, 0.0, 0.25, 4.0],
        [0.049787068367863944, 0.6065306597126334, 1.0, 1.0, 1.0],
    ),
    "gelu": (
        [-0.00404969409489031, -0.15426876936299344, 0.0, 0.14967658142073093, 3.9998733150326675],
        [-0.01194564720418392, 0.13250487534383712, 0.5, 0.695373354883636, 1.0005036496612265],
    ),
    "silu": (
        [-0.14227761953270035, -0.1887703343990727, 0.0, 0.14054412522144952, 3.928055160151634],
        [-0.08810410601516962, 0.2600388126973482, 0.5, 0.6237100215701977, 1.0526646148910728],
    ),
    "sigmoid": (
        [0.04742587317756678, 0.3775406687981454, 0.5, 0.5621765008857981, 0.9820137900379085],
        [0.04517665973091214, 0.2350037122015945, 0.25, 0.24613408273759835, 0.017662706213291107],
    ),
    "softplus": (
        [0.04858735157374206, 0.4740769841801067, 0.6931471805599453, 0.8259394198788436, 4.0181499279178094],
        [0.04742587317756679, 0.37754066879814546, 0.5, 0.5621765008857981, 0.9820137900379085],
    ),
    "linear": (POINTS, [1.0] * 5),
}
# what each comes to at ±1000: (value, slope)
LIMITS = {
    "tanh": ((1.0, 0.0), (-1.0, 0.0)),
    "relu": ((1000.0, 1.0), (0.0, 0.0)),
    "leaky_relu": ((1000.0, 1.0), (-10.0, 0.01)),
    "elu": ((1000.0, 1.0), (-1.0, 0.0)),
    "gelu": ((1000.0, 1.0), (0.0, 0.0)),
    "silu": ((1000.0, 1.0), (0.0, 0.0)),
    "sigmoid": ((1.0, 0.0), (0.0, 0.0)),
    "softplus": ((1000.0, 1.0), (0.0, 0.0)),
    "linear": ((1000.0, 1.0), (-1000.0, 1.0)),
}
each = pytest.mark.parametrize(("name", "activation"), list(ACTIVATIONS), ids=ACTIVATIONS.names())


def test_the_names_are_those_of_the_contract() -> None:
    names = ["tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus", "linear"]
    assert sorted(ACTIVATIONS.names()) == sorted(names) == sorted(TORCH) == sorted(LIMITS)


@each
def test_values_and_slopes_are_pytorchs(name: str, activation: Activation) -> None:
    values, slopes = TORCH[name]
    assert [activation(Value(x)).data for x in POINTS] == pytest.approx(values, rel=1e-14, abs=1e-16)
    assert [analytical_gradient(activation, (x,))[0] for x in POINTS] == pytest.approx(slopes, rel=1e-13)


@each
def test_the_slope_is_that_of_the_definition_away_from_kinks(name: str, activation: Activation) -> None:
    for x in (-2.7, -1.1, -0.3, 0.2, 0.9, 3.1):
        expected = numerical_gradient(activation, (x,))
        assert analytical_gradient(activation, (x,)) == pytest.approx(expected, rel=1e-8, abs=1e-10)


@each
def test_it_is_exact_at_a_thousand(name: str, activation: Activation) -> None:
    for x, (value, slope) in zip((1000.0, -1000.0), LIMITS[name], strict=True):
        assert activation(Value(x)).data == pytest.approx(value, rel=1e-15, abs=1e-300)
        assert analytical_gradient(activation, (x,)) == pytest.approx([slope], rel=1e-15, abs=1e-300)


@each
def test_what_is_not_a_number_comes_out_as_such(name: str, activation: Activation) -> None:
    assert math.isnan(activation(Value(math.nan)).data)


@each
def test_arrays_are_activated_like_values(name: str, activation: Activation) -> None:
    x = np.concatenate([np.linspace(-40.0, 40.0, 161), [-1000.0, 1000.0]])
    evaluation = vectorized(activation, 1)(x)
    slopes = evaluation.gradients(1.0)[0]
    for i, number in enumerate(x.tolist()):
        assert evaluation.value[i] == pytest.approx(activation(Value(number)).data, rel=1e-14, abs=1e-300)
        assert slopes[i] == pytest.approx(analytical_gradient(activation, (number,))[0], rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("x", [-37.5, -8.0, -1.5, -1e-9, 1e-9, 0.7, 12.0])
def test_closed_forms_hold_on_both_sides_of_zero(x: float) -> None:
    made = {name: activation(Value(x)).data for name, activation in ACTIVATIONS}
    assert made["gelu"] == pytest.approx(x * special.ndtr(x), rel=1e-9, abs=1e-15)
    assert made["silu"] == pytest.approx(x * special.expit(x), rel=1e-14)
    assert made["softplus"] == pytest.approx(-special.log_expit(-x), rel=1e-14)
    assert made["elu"] == pytest.approx(x if x > 0 else math.expm1(x), rel=1e-15)
