"""Every optimizer and every knob of it against PyTorch's own steps."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from engine.nn.optimizers import OPTIMIZERS, Step
from engine.spec.families import OPTIMIZER

# Five steps at rate 0.1 down f(x, y) = x⁴/4 + xy + y² from (1, -2), by torch 2.13.0 in float64:
#   p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
#   o = torch.optim.SGD([p], lr=0.1, momentum=0.9)       # or Adam, AdamW, RMSprop, Adagrad
#   for _ in range(5): o.zero_grad(); x, y = p; (x**4 / 4 + x*y + y**2).backward(); o.step()
TORCH: list[tuple[str, dict[str, Any], float, float]] = [
    ("sgd", {}, 1.0933973828732482, -1.0282527889009099),
    ("sgd", {"momentum": 0.9}, 0.9357540042607081, 0.24232374624541625),
    ("sgd", {"momentum": 0.9, "nesterov": True}, 0.6788111953973569, 0.06796297504184964),
    ("sgd", {"weight_decay": 0.1}, 1.0572933718074067, -0.9742826654256295),
    (
        "sgd",
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
        0.7433834974649809,
        -0.11845683042987226,
    ),
    ("adam", {}, 1.3226627622477556, -1.507485939598726),
    ("adam", {"betas": (0.7, 0.9)}, 1.2723903134632895, -1.513520596139993),
    ("adam", {"eps": 0.1}, 1.312629455767802, -1.524380011710304),
    ("adam", {"weight_decay": 0.1}, 1.2864341223566353, -1.5070060533589202),
    ("adamw", {}, 1.3188205861418816, -1.4986151948599147),
    ("adamw", {"betas": (0.7, 0.9)}, 1.2688993410335145, -1.5047212849812415),
    ("adamw", {"eps": 0.1}, 1.308532305435229, -1.5154834248640283),
    ("adamw", {"weight_decay": 0.3}, 1.2101084511830014, -1.257612895852858),
    ("adamw", {"weight_decay": 0.0}, 1.3226627622477556, -1.507485939598726),
    ("rmsprop", {}, 0.9135218342836607, -0.5112101162554605),
    ("rmsprop", {"alpha": 0.8}, 1.11252887640695, -1.3043867478072562),
    ("rmsprop", {"eps": 0.1}, 0.8742053944355656, -0.5494673283368686),
    ("rmsprop", {"momentum": 0.9}, -0.5293124598456382, -0.15502783979098134),
    ("rmsprop", {"weight_decay": 0.1}, 0.8808071074490755, -0.479163447314193),
    ("adagrad", {}, 1.1933073898422193, -1.6959571054509535),
    ("adagrad", {"initial_accumulator_value": 0.5}, 1.1809979563766921, -1.699961817021903),
    ("adagrad", {"eps": 0.1}, 1.187957686841008, -1.7026754460068072),
    ("adagrad", {"weight_decay": 0.1}, 1.1737579984742044, -1.6950168540555999),
]


def knobs_for(name: str, **given: Any) -> dict[str, Any]:
    return {knob: rule.default for knob, rule in OPTIMIZER.members[name].items()} | given


def descend(name: str, given: dict[str, Any], steps: int = 5) -> tuple[float, float]:
    optimizer, knobs = OPTIMIZERS.get(name), knobs_for(name, **given)
    point = [1.0, -2.0]
    states = [tuple(optimizer.initial(knobs) for _ in optimizer.state(knobs)) for _ in point]
    for t in range(1, steps + 1):
        x, y = point
        known = Step(0.1, knobs, optimizer.corrections(knobs, t))
        for i, slope in enumerate((x**3 + y, x + 2.0 * y)):
            point[i], states[i] = optimizer.update(point[i], slope, states[i], known)
    return point[0], point[1]


@pytest.mark.parametrize(("name", "knobs", "x", "y"), TORCH, ids=[f"{n}-{k}" for n, k, _, _ in TORCH])
def test_five_steps_end_where_pytorchs_do(name: str, knobs: dict[str, Any], x: float, y: float) -> None:
    assert descend(name, knobs) == pytest.approx((x, y), rel=1e-12)


def test_every_optimizer_and_every_knob_has_a_figure() -> None:
    assert {name for name, *_ in TORCH} == set(OPTIMIZERS.names()) == set(OPTIMIZER.members)
    for name, knobs in OPTIMIZER.members.items():
        turned = {knob for row in TORCH if row[0] == name for knob in row[1]}
        assert turned == set(knobs) - {"learning_rate", "clip_norm"}, name


@pytest.mark.parametrize(("name", "knobs", "x", "y"), TORCH, ids=[f"{n}-{k}" for n, k, _, _ in TORCH])
def test_a_knob_that_is_turned_changes_the_path(name: str, knobs: dict[str, Any], x: float, y: float) -> None:
    if knobs:
        assert descend(name, knobs) != pytest.approx(descend(name, {}), rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_arrays_move_like_numbers_to_the_last_bits(name: str) -> None:
    optimizer = OPTIMIZERS.get(name)
    knobs = knobs_for(name, weight_decay=0.03) | ({"momentum": 0.7} if name in ("sgd", "rmsprop") else {})
    generator = np.random.default_rng(2)
    points, slopes = generator.normal(size=6), generator.normal(size=6)
    state = tuple(np.full(6, 0.25) for _ in optimizer.state(knobs))
    known = Step(0.1, knobs, optimizer.corrections(knobs, 3))
    moved, states = optimizer.update(points, slopes, state, known)
    for i in range(6):
        alone, of_one = optimizer.update(float(points[i]), float(slopes[i]), (0.25,) * len(state), known)
        assert alone == pytest.approx(moved[i], rel=1e-15)
        assert of_one == pytest.approx([s[i] for s in states], rel=1e-15)


@pytest.mark.parametrize("decay", [0.0, 1e-30, 1e-12, 0.1, 0.9, 1.0 - 2.0**-53])
@pytest.mark.parametrize("old", [1e-150, 1.0, 1e12])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_sums_are_exact_however_short_their_memory_and_great_what_stood_there(
    name: str, old: float, decay: float
) -> None:
    optimizer, knobs, g = OPTIMIZERS.get(name), knobs_for(name, betas=(decay, decay)), 3e-9
    known = Step(0.1, knobs, optimizer.corrections(knobs, 1))
    _, state = optimizer.update(1.0, g, (old, old), known)
    wanted = [Fraction(decay) * Fraction(old) + Fraction(new) for new in (g, g * g)]
    assert state == pytest.approx([float(each) for each in wanted], rel=1e-15, abs=0.0)
