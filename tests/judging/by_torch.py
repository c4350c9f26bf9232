"""PyTorch in float64 as the judge, with its own layers' arithmetic, derivatives and optimizers."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.judging.numbers import Numbers, Rows
from tests.judging.trials import Trial
from tests.judging.verdict import History

torch: Any = import_module("torch")  # of the bench extra: the type checker need not have it
functional = torch.nn.functional

ACTIVATED: dict[str, Callable[[Any], Any]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: functional.leaky_relu(z, 0.01),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),  # its own is linear beyond 20
    "linear": lambda z: z,
}
LOSSES: dict[str, Callable[[Any, Any], Any]] = {  # (rows, outputs) twice → (rows,)
    "hinge": lambda s, t: torch.relu(1.0 - t * s).sum(1),
    "squared_hinge": lambda s, t: (torch.relu(1.0 - t * s) ** 2).sum(1),
    "binary_cross_entropy": lambda s, t: functional.binary_cross_entropy_with_logits(
        s, t, reduction="none"
    ).sum(1),
    "cross_entropy": lambda s, t: functional.cross_entropy(s, t.argmax(1), reduction="none"),
    "mse": lambda s, t: ((s - t) ** 2).mean(1),
    "mae": lambda s, t: (s - t).abs().mean(1),
    "huber": lambda s, t: functional.huber_loss(s, t, reduction="none").mean(1),
    "relu(1 - y*s)": lambda s, t: torch.relu(1.0 - t * s).sum(1),
    "log(1 + exp(-y*s)) + 0.01*s**2": lambda s, t: (torch.log(1.0 + torch.exp(-t * s)) + 0.01 * s**2).sum(1),
    "(s - y)**2 + 0.5*abs(s - y)": lambda s, t: ((s - t) ** 2 + 0.5 * (s - t).abs()).sum(1),
    "where(abs(s - y) < 1, (s - y)**2, 2*abs(s - y) - 1)": lambda s, t: torch.where(
        (s - t).abs() < 1.0, (s - t) ** 2, 2.0 * (s - t).abs() - 1.0
    ).sum(1),
}
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "adagrad": "Adagrad", "sgd": "SGD"}


def history(trial: Trial) -> History:
    """The trial's training, epoch by epoch, until a loss is no longer finite."""
    return TorchTraining(Numbers(trial)).history()


class TorchTraining:
    """Full-batch training of a perceptron."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._layers = [
            tuple(torch.tensor(part, requires_grad=True) for part in layer)
            for layer in numbers.first_layers()
        ]
        self._parameters = [part for layer in self._layers for part in layer]
        knobs = {k: v for k, v in numbers.spec["optimizer"].items() if k not in ("name", "clip_norm")}
        knobs["lr"] = knobs.pop("learning_rate")
        self._optimizer = getattr(torch.optim, OPTIMIZERS[numbers.spec["optimizer"]["name"]])(
            self._parameters, **knobs
        )

    def history(self) -> History:
        """The history's columns, as far as they are finite."""
        numbers, found = self._numbers, History(validated=self._numbers.validation is not None)
        limit = numbers.spec["optimizer"].get("clip_norm") or float("inf")
        for rate in numbers.rates:
            self._optimizer.param_groups[0]["lr"] = rate
            self._optimizer.zero_grad()
            loss = self._loss(numbers.train)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self._parameters, limit)
            self._optimizer.step()
            held = numbers.validation
            validated = self._loss(held).item() if held else None
            if not found.add(loss.item(), validated, rate, norm.item()):
                break
        return found

    def _loss(self, rows: Rows) -> Any:
        values = torch.tensor(rows.x)
        for (weights, biases), activation in zip(self._layers, self._numbers.activations, strict=True):
            values = ACTIVATED[activation](values @ weights.T + biases)
        each = LOSSES[self._numbers.loss](values, torch.tensor(rows.targets))
        return (each * torch.tensor(rows.weights)).mean()
