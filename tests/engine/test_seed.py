"""Every code block of the tutorial that the engine grew from, with its figures."""

import math
import random

import numpy as np
import pytest
from sklearn.datasets import make_moons

from engine.autograd.value import Value
from engine.drawing import draw_dot
from engine.errors import BadData
from engine.nn.modules import MLP, Layer, Neuron


def by_hand(model: MLP, x: list[float]) -> float:
    """The output of a tanh network with one output, from its parameters alone."""
    for layer in model.layers:
        x = [
            math.tanh(n.b.data + math.fsum(w.data * v for w, v in zip(n.w, x, strict=True)))
            for n in layer.neurons
        ]
    return x[0]


def test_the_first_expressions_and_their_derivatives() -> None:
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a + b * b**3
    e = c - d
    g = e**2
    g.backward()
    assert (c.data, d.data, e.data, g.data) == (-2.0, 12.0, -14.0, 196.0)
    # g = (b - b^4)^2: dg/db = 2(b - b^4)(1 - 4b^3), and a cancels
    assert (a.grad, b.grad) == (0.0, 2.0 * (2.0 - 16.0) * (1.0 - 32.0))
    assert (c.grad, d.grad, e.grad) == (-28.0, 28.0, -28.0)


def test_the_labelled_expression() -> None:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    d = a * b
    d.label = "d"
    total = c + d
    total.label = "L"
    total.backward()
    assert (d.data, total.data) == (-6.0, 4.0)
    assert (a.grad, b.grad, c.grad, d.grad, total.grad) == (-3.0, 2.0, 1.0, 1.0, 1.0)
    assert [v.label for v in total.operands] == ["c", "d"]


def test_a_value_shows_its_number() -> None:
    assert repr(Value(2.0)) == "Value(data=2.0)"
    assert repr(Value(1) + 0.5) == "Value(data=1.5)"


def test_the_drawing_has_the_tutorials_boxes_and_operations() -> None:
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    d = a * b
    d.label = "d"
    total = c + d
    total.label = "L"
    dot = str(draw_dot(total))
    assert "rankdir=LR" in dot
    for box in (
        "{ a | data 2.0000 | grad 0.0000 }",
        "{ b | data -3.0000 | grad 0.0000 }",
        "{ c | data 10.0000 | grad 0.0000 }",
        "{ d | data -6.0000 | grad 0.0000 }",
        "{ L | data 4.0000 | grad 0.0000 }",
    ):
        assert f'[shape=record label="{box}"]' in dot
    assert dot.count('[label="*"]') == dot.count('[label="+"]') == 1
    assert dot.count("->") == 6  # an operation has two edges in and one out
    total.backward()
    assert "{ b | data -3.0000 | grad 2.0000 }" in str(draw_dot(total))


def test_a_neuron_by_hand_and_one_step_down_its_slope() -> None:
    x1, x2 = Value(2.0, label="x1"), Value(1.5, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    o = (x1 * w1 + x2 * w2) + b
    assert f"output: {o.data:.4f}" == "output: 2.3814"
    o.backward()
    # no activation: the derivatives are the inputs and the weights themselves
    assert (w1.grad, w2.grad, b.grad) == (2.0, 1.5, 1.0)
    assert (x1.grad, x2.grad) == (-3.0, 1.0)

    step_rate = 0.01
    for parameter in (w1, w2, b):
        parameter.data -= step_rate * parameter.grad
    o = x1 * w1 + x2 * w2 + b
    assert f"output: {o.data:.4f}" == "output: 2.3089"
    assert (w1.data, w2.data) == pytest.approx((-3.02, 0.985), rel=1e-15)
    assert repr(b) == "Value(data=6.871373587019543)"


def test_a_neuron_of_two_inputs() -> None:
    random.seed(1337)
    neuron = Neuron(2)
    drawn = random.Random(1337)
    w1, w2, b = (drawn.uniform(-1, 1) for _ in range(3))
    assert [p.data for p in neuron.parameters()] == [w1, w2, b]
    out = neuron([2.0, 3.0])
    expected = math.tanh(2.0 * w1 + 3.0 * w2 + b)
    assert out.data == pytest.approx(expected, rel=1e-14)
    out.backward()
    slope = 1.0 - expected**2
    gradient = [p.grad for p in neuron.parameters()]
    assert gradient == pytest.approx([2.0 * slope, 3.0 * slope, slope], rel=1e-12)


def test_a_layer_of_three_neurons_has_nine_parameters() -> None:
    layer = Layer(2, 3)
    out = layer([2.0, 3.0])
    assert len(out) == 3
    assert all(isinstance(value, Value) for value in out)
    assert len(layer.parameters()) == 3 * (2 + 1)


def test_a_layer_of_one_neuron_gives_a_bare_scalar() -> None:
    assert isinstance(Layer(2, 1)([2.0, 3.0]), Value)
    assert isinstance(MLP(2, [4, 1])([2.0, 3.0]), Value)


def test_the_networks_parameters_are_counted() -> None:
    model = MLP(3, [4, 4, 1])
    assert len(model.parameters()) == 41 == model.parameter_count
    assert isinstance(model([2.0, 3.0, -1.0]), Value)


def test_a_network_for_three_inputs_refuses_two() -> None:
    with pytest.raises(BadData, match=r"3 weights, got 2 inputs"):
        MLP(3, [4, 4, 1])([2.0, 3.0])


def test_four_points_their_loss_and_accuracy() -> None:
    random.seed(1337)
    model = MLP(2, [4, 4, 1])
    assert len(model.parameters()) == 37
    xs = [[2.0, 3.0], [3.0, -1.0], [0.5, 1.0], [1.0, 1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    scores = [model(x) for x in xs]
    losses = [(1 + -y * score).relu() for y, score in zip(ys, scores, strict=True)]
    loss: Value = sum(losses) / len(losses)
    expected = [by_hand(model, x) for x in xs]
    assert [score.data for score in scores] == pytest.approx(expected, rel=1e-13)
    margins = [max(0.0, 1.0 - y * s) for y, s in zip(ys, expected, strict=True)]
    assert loss.data == pytest.approx(math.fsum(margins) / 4, rel=1e-13)
    accuracies = [(y > 0) == (score.data > 0) for y, score in zip(ys, scores, strict=True)]
    assert sum(accuracies) == sum(y * s > 0 for y, s in zip(ys, expected, strict=True))


LOSSES = {0: 0.7732538183378128, 10: 0.21790039451868812, 20: 0.17946586268211423}
ACCURACIES = {0: 0.68, 10: 0.91, 20: 0.94}


def test_the_moons_demo_trains_to_the_tutorials_figures(capsys: pytest.CaptureFixture[str]) -> None:
    xs, ys = make_moons(n_samples=100, noise=0.1, random_state=1337)
    ys = 2 * ys - 1
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    iterations = 21

    def calc_loss() -> tuple[Value, float]:
        scores = [model(x) for x in xs]
        losses = [(1 + -y * score).relu() for y, score in zip(ys, scores, strict=True)]
        accuracy = [(y > 0) == (score.data > 0) for y, score in zip(ys, scores, strict=True)]
        return sum(losses) / len(losses), sum(accuracy) / len(accuracy)

    for iteration in range(iterations):
        loss, accuracy = calc_loss()
        for parameter in model.parameters():
            parameter.grad = 0.0
        loss.backward()
        learning_rate = 1.0 - 0.9 * iteration / iterations
        for parameter in model.parameters():
            parameter.data -= learning_rate * parameter.grad
        if iteration % 10 == 0:
            print(f"step {iteration} loss {loss.data:.4f}, accuracy {accuracy * 100:.2f}%")  # noqa: T201 - the tutorial's line
            assert loss.data == pytest.approx(LOSSES[iteration], abs=1e-12)
            assert accuracy == pytest.approx(ACCURACIES[iteration], abs=1e-12)
    assert capsys.readouterr().out.splitlines() == [
        "step 0 loss 0.7733, accuracy 68.00%",
        "step 10 loss 0.2179, accuracy 91.00%",
        "step 20 loss 0.1795, accuracy 94.00%",
    ]
    check_decision_boundary(model, xs, ys)


def check_decision_boundary(model: MLP, xs: np.ndarray, ys: np.ndarray) -> None:
    """The tutorial's mesh: the network's side of the boundary at each of its points."""
    h = 0.25
    x_min, x_max = xs[:, 0].min() - 1, xs[:, 0].max() + 1
    y_min, y_max = xs[:, 1].min() - 1, xs[:, 1].max() + 1
    xx, yy = np.meshgrid(np.arange(x_min, x_max, h), np.arange(y_min, y_max, h))
    mesh = np.c_[xx.ravel(), yy.ravel()]
    z = np.array([model(x).data > 0 for x in mesh]).reshape(xx.shape)
    expected = np.array([by_hand(model, x.tolist()) > 0 for x in mesh]).reshape(xx.shape)
    assert (z == expected).all()
    # class -1 is the upper moon, +1 the lower: the plane's corners are theirs
    assert not z[-1, 0]
    assert z[0, -1]
    assert 0.2 < z.mean() < 0.8
