"""A trial in numbers: columns encoded, rows parted, targets, weights, first parameters, learning rates."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.judging.trials import Trial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """x (rows, inputs), targets (rows, outputs) as the loss has them, weights (rows,) of mean 1."""

    x: Array
    targets: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.x)


class Numbers:
    """What a trial comes to, by the contract: any framework can train from here."""

    def __init__(self, trial: Trial) -> None:
        self.spec = spec = trial.spec
        self._trial = trial
        parts = trial.column("part") if spec["split"].get("column") else ["train"] * len(trial.rows)
        self._training = np.array(parts) == "train"
        x = np.column_stack([self._encoded(name) for name in spec["features"]])
        targets, training = self._targets(), self._training
        self.train = Rows(x[training], targets[training], self._weights())
        held = ~training
        self.validation = Rows(x[held], targets[held], np.ones(held.sum())) if held.any() else None
        self.rates = [self._rate(epoch) for epoch in range(spec["training"]["epochs"])]

    def first_layers(self) -> list[tuple[Array, Array]]:
        """(units, inputs) weights and (units,) biases: neuron by neuron, its weights and then its bias."""
        draw, init = random.Random(self.spec["training"]["seed"]), self.spec["model"]["init"]
        units = [layer["units"] for layer in self.spec["model"]["hidden_layers"]]
        layers = []
        for inputs, outputs in pairwise([self.train.x.shape[1], *units, self.train.targets.shape[1]]):
            drawn = [
                [draw.uniform(init["low"], init["high"]) for _ in range(inputs + 1)] for _ in range(outputs)
            ]
            neurons = np.array(drawn)
            layers.append((neurons[:, :-1].copy(), neurons[:, -1].copy()))
        return layers

    @property
    def activations(self) -> list[str]:
        """Of every layer, the output's at the end."""
        model = self.spec["model"]
        return [*(layer["activation"] for layer in model["hidden_layers"]), model["output_activation"]]

    @property
    def loss(self) -> str:
        """The loss's name, or its expression."""
        loss: Any = self.spec["loss"]
        return str(loss["expression"] if isinstance(loss, dict) else loss)

    @property
    def averages_elements(self) -> bool:
        """Whether the loss is the mean over all elements, not over rows."""
        return self.loss in ("mse", "mae", "huber")

    def _encoded(self, name: str) -> Array:
        """(rows, inputs of the column), fitted on the training rows."""
        cells = self._trial.column(name)
        if isinstance(cells[0], str):
            return self._categories(cells)
        if any(isinstance(cell, bool) for cell in cells):
            return np.array(cells, dtype=float)[:, None]
        numbers = np.array([math.nan if cell is None else cell for cell in cells])
        seen = numbers[self._training & ~np.isnan(numbers)]
        fill = seen.mean() if self.spec["preprocessing"]["missing"] == "mean" else np.median(seen)
        offset, scale = _scaling(seen, self.spec["preprocessing"]["scale"])
        encoded: Array = ((np.where(np.isnan(numbers), fill, numbers) - offset) / scale)[:, None]
        return encoded

    def _categories(self, cells: list[str]) -> Array:
        """(rows, inputs): one input a category, in order, and one for all that are rare in training."""
        training = [cell for cell, trains in zip(cells, self._training, strict=True) if trains]
        least = self.spec["preprocessing"].get("min_category_rows", 1)
        rare = {value for value in cells if training.count(value) < least}
        own = sorted(set(cells) - rare)
        inputs = [{value} for value in own] + ([rare] if rare else [])
        return np.array([[float(cell in members) for members in inputs] for cell in cells])

    def _targets(self) -> Array:
        cells, task, loss = self._trial.column("y"), self.spec["task"], self.loss
        if task == "regression":
            numbers = np.array(cells)
            scaled = self.spec["preprocessing"]["scale_target"]
            offset, scale = _scaling(numbers[self._training], "standard" if scaled else "none")
            return (numbers[:, None] - offset) / scale
        classes = sorted(set(cells))
        wanted = classes[1:] if task == "binary" else classes
        indicator = np.array([[float(cell == value) for value in wanted] for cell in cells])
        likelihood = loss in ("binary_cross_entropy", "cross_entropy")
        margin = loss in ("hinge", "squared_hinge") or (task == "binary" and not likelihood)
        return 2.0 * indicator - 1.0 if margin else indicator

    def _weights(self) -> Array:
        """(training rows,): of the class, times the row's own."""
        cells = [
            cell for cell, training in zip(self._trial.column("y"), self._training, strict=True) if training
        ]
        by_class = self.spec["class_weight"]
        if by_class == "balanced":
            weights = np.array([1.0 / cells.count(cell) for cell in cells])
        else:
            names = [str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in cells]
            weights = np.array([(by_class or {}).get(name, 1.0) for name in names])
        if self.spec["weight_column"]:
            weights = weights * np.array(self._trial.column("weight"))[self._training]
        normalised: Array = weights / weights.mean()
        return normalised

    def _rate(self, epoch: int) -> float:
        knobs, warmup = self.spec["schedule"], self.spec["schedule"]["warmup_epochs"]
        i, n = max(epoch - warmup, 0), max(self.spec["training"]["epochs"] - warmup, 1)
        factors: dict[str, Callable[[], float]] = {
            "constant": lambda: 1.0,
            "linear": lambda: 1.0 - (1.0 - knobs["end_factor"]) * i / n,
            "cosine": lambda: 0.5 * (1.0 + math.cos(math.pi * i / n)),
            "exponential": lambda: math.pow(knobs["gamma"], i),
            "step": lambda: math.pow(knobs["gamma"], i // knobs["every"]),
        }
        climb = (epoch + 1) / warmup if epoch < warmup else 1.0
        return float(self.spec["optimizer"]["learning_rate"] * climb * factors[knobs["name"]]())


def _scaling(seen: Array, scale: str) -> tuple[float, float]:
    """Offset and scale."""
    if scale == "none":
        return 0.0, 1.0
    if scale == "standard":
        return float(seen.mean()), float(seen.std()) or 1.0
    if scale == "minmax":
        return float(seen.min()), float(seen.max() - seen.min()) or 1.0
    low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75))
    return float(middle), float(high - low) or 1.0
