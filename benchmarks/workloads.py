"""The seven workloads of the engine's benchmark, in numbers: data, network, first parameters, plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from engine.execution.plan import LayerPlan, Plan, Rows, State, unflatten
from engine.nn.losses import LOSSES
from engine.spec.families import OPTIMIZER
from engine.spec.objects import Choice

Array = NDArray[Any]


@dataclass(frozen=True)
class Workload:
    """A training of `plan.epochs` epochs from `parameters`, flat as the plan has them."""

    name: str
    plan: Plan
    parameters: Array

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.plan.epochs * self.plan.steps_per_epoch

    @property
    def sizes(self) -> list[int]:
        """Inputs, then units of each layer."""
        return [self.plan.layers[0].inputs, *(layer.units for layer in self.plan.layers)]

    @property
    def activation(self) -> str:
        """The hidden layers' activation."""
        return self.plan.layers[0].activation

    @property
    def state(self) -> State:
        """The state before the first step."""
        return State.initial(self.plan, self.parameters)

    @property
    def weights(self) -> list[tuple[Array, Array]]:
        """Weights (units, inputs) and biases of each layer, copies."""
        return [(w.copy(), b.copy()) for w, b in unflatten(self.plan.layers, self.parameters)]

    @property
    def batches(self) -> list[list[Array]]:
        """The rows of every step, epoch by epoch."""
        return [list(self.plan.batches(epoch)) for epoch in range(self.plan.epochs)]

    @property
    def rates(self) -> list[float]:
        """The learning rate of every epoch."""
        return [self.plan.learning_rate(epoch) for epoch in range(self.plan.epochs)]

    @property
    def flops(self) -> float:
        """Matrix operations of a mean step: forward, weight gradients, input gradients but the first."""
        products = [a * b for a, b in pairwise(self.sizes)]
        rows = len(self.plan.train) / self.plan.steps_per_epoch
        return 2.0 * rows * (3 * sum(products) - products[0])


def _choice(name: str, **knobs: Any) -> Choice:
    return Choice(name, {key: knob.default for key, knob in OPTIMIZER.members[name].items()} | knobs)


def _standard(x: Array) -> Array:
    deviation = x.std(axis=0)
    standard: Array = (x - x.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
    return standard


def _workload(
    name: str, data: tuple[Array, Array], units: list[int], *, activation: str = "relu", loss: str,
    choice: Choice, batch: int | None, epochs: int, decay: bool = False,
) -> Workload:  # fmt: skip
    x, labels = np.ascontiguousarray(data[0], np.float64), data[1].astype(np.float64)
    sizes = [x.shape[1], *units]
    layers = tuple(
        LayerPlan(a, b, "linear" if i == len(units) - 1 else activation)
        for i, (a, b) in enumerate(pairwise(sizes))
    )
    outputs = sizes[-1]
    indicator = labels[:, None] if outputs == 1 else (labels[:, None] == np.arange(outputs)).astype(float)
    kind = LOSSES.get(loss)
    targets = 2.0 * indicator - 1.0 if kind.targets == "margin" else indicator.copy()
    schedule = Choice("linear", {"end_factor": 0.1}) if decay else Choice("constant", {})
    task = "binary" if outputs == 1 else "multiclass"
    rows = Rows(x, targets, labels)
    plan = Plan(layers, task, kind, choice, schedule, epochs, batch, 7, "float64", None, rows, None)
    generator = np.random.default_rng(0)
    parts = [
        part
        for a, b in pairwise(sizes)
        for part in (generator.uniform(-1, 1, a * b) / np.sqrt(a), np.zeros(b))
    ]
    return Workload(name, plan, np.concatenate(parts))


def _moons() -> tuple[Array, Array]:
    x, y = datasets.make_moons(n_samples=100, noise=0.1, random_state=1)
    return x, y


def _iris() -> tuple[Array, Array]:
    x, y = datasets.load_iris(return_X_y=True)
    return _standard(x), y


def _breast_cancer() -> tuple[Array, Array]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return _standard(x), y


def _digits() -> tuple[Array, Array]:
    x, y = datasets.load_digits(return_X_y=True)
    return x / 16.0, y


def _drawn() -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((20_000, 100))
    return x, (x @ generator.standard_normal((100, 10))).argmax(axis=1)


SEED: dict[str, Any] = {
    "loss": "hinge",
    "choice": _choice("sgd", learning_rate=1.0, weight_decay=2e-4),
    "batch": None,
    "epochs": 100,
    "decay": True,
}
ADAM = _choice("adam", learning_rate=1e-3)
WORKLOADS: dict[str, tuple[Callable[[], tuple[Array, Array]], list[int], dict[str, Any]]] = {
    "W1": (_moons, [16, 16, 1], SEED),
    "W1t": (_moons, [16, 16, 1], SEED | {"activation": "tanh"}),
    "W2": (
        _iris,
        [16, 3],
        {"activation": "tanh", "loss": "cross_entropy", "choice": _choice("adam"), "batch": 16, "epochs": 20},
    ),
    "W3": (
        _breast_cancer,
        [32, 16, 1],
        {"loss": "binary_cross_entropy", "choice": ADAM, "batch": 32, "epochs": 5},
    ),
    "W4": (_digits, [128, 64, 10], {"loss": "cross_entropy", "choice": ADAM, "batch": 64, "epochs": 3}),
    "W5": (_drawn, [512, 512, 10], {"loss": "cross_entropy", "choice": ADAM, "batch": 256, "epochs": 1}),
    "W6": (
        _moons,
        [16, 16, 1],
        {"loss": "hinge", "choice": _choice("sgd", learning_rate=0.01), "batch": 1, "epochs": 5},
    ),
}
NAMES = tuple(WORKLOADS)


def make_workload(name: str) -> Workload:
    """One of W1, W1t, W2 … W6."""
    data, units, options = WORKLOADS[name]
    return _workload(name, data(), units, **options)
