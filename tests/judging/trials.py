"""Trials: a table and a job on it, drawn from a seed, as a client would send them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ACTIVATIONS = ("tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus", "linear")
EXPRESSIONS = {
    "binary": ("relu(1 - y*s)", "log(1 + exp(-y*s)) + 0.01*s**2"),
    "regression": ("(s - y)**2 + 0.5*abs(s - y)", "where(abs(s - y) < 1, (s - y)**2, 2*abs(s - y) - 1)"),
}
LOSSES = {
    "binary": ("hinge", "squared_hinge", "binary_cross_entropy", "mse", "mae", "huber"),
    "multiclass": ("hinge", "squared_hinge", "cross_entropy", "mse", "mae", "huber"),
    "regression": ("mse", "mae", "huber"),
}
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("constant", "linear", "cosine", "exponential", "step")
LABELS: dict[str, tuple[Any, ...]] = {  # in the order of the classes
    "binary": (("no", "yes"), (-1, 1), (0, 1), (False, True)),
    "multiclass": (("ant", "bee", "cat"), (0, 1, 2), (-3, 5, 7, 11)),
}


@dataclass(frozen=True)
class Trial:
    """A table of named columns, and the body of a job without its dataset."""

    seed: int
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    spec: dict[str, Any]

    def column(self, name: str) -> list[Any]:
        """The cells of a column."""
        position = self.columns.index(name)
        return [row[position] for row in self.rows]

    def shuffled(self, seed: int) -> Trial:
        """The same trial, its rows in another order: it means the same, and its sums round otherwise."""
        rows = random.Random(seed).sample(self.rows, len(self.rows))
        return Trial(self.seed, self.columns, tuple(rows), self.spec)


def drawn(seed: int) -> Trial:
    """The trial of a seed."""
    draw = random.Random(seed)
    task = draw.choice(("binary", "multiclass", "regression"))
    columns = _columns(draw, task)
    weighted, split = "weight" in columns, "part" in columns
    features = [name for name in columns if name not in ("y", "weight", "part")]
    spec: dict[str, Any] = {
        "target": "y",
        "task": task,
        "features": features,
        "preprocessing": {
            "scale": draw.choice(("none", "none", "standard", "minmax", "robust")),
            "missing": draw.choice(("mean", "median")),
            "scale_target": draw.random() < 0.5,
        },
        "split": {"column": "part"} if split else {"validation": 0},
        "loss": _loss(draw, task),
        "class_weight": _class_weight(draw, task, columns["y"]),
        "weight_column": "weight" if weighted else None,
        "model": _model(draw),
        "optimizer": _optimizer(draw),
        "schedule": _schedule(draw),
        "training": {
            "epochs": draw.randint(5, 30),
            "batch_size": None,
            "seed": draw.randint(0, 2**40),
            "early_stopping": None,
        },
    }
    if "colour" in columns:
        spec["preprocessing"]["min_category_rows"] = draw.choice((1, 1, 6))
    return Trial(seed, tuple(columns), tuple(zip(*columns.values(), strict=True)), spec)


def _columns(draw: random.Random, task: str) -> dict[str, list[Any]]:
    count, numbers = draw.randint(12, 90), draw.randint(1, 6)
    columns: dict[str, list[Any]] = {
        f"x{i}": [draw.gauss(0.0, 1.0) for _ in range(count)] for i in range(numbers)
    }
    signal = [sum(cells) + draw.gauss(0.0, 0.5) for cells in zip(*columns.values(), strict=True)]
    if draw.random() < 0.3:
        columns["x0"] = [None if draw.random() < 0.1 else cell for cell in columns["x0"]]
    if draw.random() < 0.3:
        columns["flag"] = _all_of(draw, (False, True), count)
    if draw.random() < 0.3:
        columns["colour"] = _all_of(draw, ("blue", "green", "red"), count)
    columns["y"] = signal if task == "regression" else _classes(draw, task, signal)
    if draw.random() < 0.2:
        columns["weight"] = [draw.choice((0.0, 0.5, 1.0, 2.5)) for _ in range(count - 1)] + [1.0]
    if draw.random() < 0.4:
        columns["part"] = [*_all_of(draw, ("train", "train", "validation"), count)]
    return columns


def _all_of(draw: random.Random, cells: tuple[Any, ...], count: int) -> list[Any]:
    """`count` draws in which each cell occurs."""
    return draw.sample([*cells, *(draw.choice(cells) for _ in range(count - len(cells)))], count)


def _classes(draw: random.Random, task: str, signal: list[float]) -> list[Any]:
    """Classes of about equal size along the signal."""
    labels = draw.choice(LABELS[task])
    order = sorted(range(len(signal)), key=signal.__getitem__)
    found: list[Any] = [None] * len(signal)
    for place, row in enumerate(order):
        found[row] = labels[place * len(labels) // len(order)]
    return found


def _class_weight(draw: random.Random, task: str, labels: list[Any]) -> Any:
    if task == "regression" or draw.random() < 0.6:
        return None
    if draw.random() < 0.5:
        return "balanced"
    first = labels[0]
    return {str(first).lower() if isinstance(first, bool) else str(first): draw.uniform(0.5, 4.0)}


def _loss(draw: random.Random, task: str) -> Any:
    if task in EXPRESSIONS and draw.random() < 0.25:
        return {"expression": draw.choice(EXPRESSIONS[task])}
    return draw.choice(LOSSES[task])


def _model(draw: random.Random) -> dict[str, Any]:
    width = draw.choice((4, 24, 24, 24, 140))
    size = draw.uniform(0.3, 1.0)
    return {
        "hidden_layers": [
            {"units": draw.randint(1, width), "activation": draw.choice(ACTIVATIONS)}
            for _ in range(draw.randint(0, 3))
        ],
        "output_activation": draw.choice(("linear", "linear", "linear", *ACTIVATIONS)),
        "init": {"scheme": "uniform", "low": -size, "high": size},
    }


def _optimizer(draw: random.Random) -> dict[str, Any]:
    name = draw.choice(OPTIMIZERS)
    decay = {"weight_decay": 10.0 ** draw.uniform(-4.0, -1.0)} if draw.random() < 0.4 else {}
    clip = {"clip_norm": draw.uniform(0.1, 2.0)} if draw.random() < 0.3 else {}
    momentum = draw.choice((0.0, 0.5, 0.9))
    knobs: dict[str, dict[str, Any]] = {
        "sgd": {"momentum": momentum, "nesterov": momentum > 0.0 and draw.random() < 0.5},
        "adam": {"betas": [draw.uniform(0.5, 0.95), draw.uniform(0.9, 0.9999)], "eps": 1e-8},
        "adamw": {"betas": [0.9, draw.uniform(0.9, 0.9999)], "eps": 1e-6},
        "rmsprop": {"alpha": draw.uniform(0.8, 0.99), "eps": 1e-6, "momentum": momentum},
        "adagrad": {"initial_accumulator_value": draw.choice((0.0, 0.1)), "eps": 1e-8},
    }
    rate = 10.0 ** (draw.uniform(-2.5, -1.0) if name in ("sgd", "adagrad") else draw.uniform(-3.5, -1.5))
    return {"name": name, "learning_rate": rate, **knobs[name], **decay, **clip}


def _schedule(draw: random.Random) -> dict[str, Any]:
    name = draw.choice(SCHEDULES)
    knobs: dict[str, dict[str, Any]] = {
        "linear": {"end_factor": draw.uniform(0.0, 1.0)},
        "exponential": {"gamma": draw.uniform(0.8, 1.0)},
        "step": {"every": draw.randint(1, 6), "gamma": draw.uniform(0.3, 0.9)},
    }
    return {"name": name, "warmup_epochs": draw.choice((0, 0, 3)), **knobs.get(name, {})}
