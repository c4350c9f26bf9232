"""The families a spec chooses from, each member with its own knobs: inits, optimizers, schedules."""

from __future__ import annotations

from engine.spec.objects import Family, Knob
from engine.spec.rules import Boolean, ListOf, Nullable, Number

_BOUND = Number(-1e3, 1e3)
INIT = Family(
    "init scheme",
    {
        "glorot_uniform": {},
        "glorot_normal": {},
        "he_uniform": {},
        "he_normal": {},
        "uniform": {"low": Knob(_BOUND, -1.0, "lowest weight"), "high": Knob(_BOUND, 1.0, "highest weight")},
        "zeros": {},
    },
    key="scheme",
)


def _common(learning_rate: float, weight_decay: float = 0.0) -> dict[str, Knob]:
    rate = Number(0.0, 1e3, above=True)
    return {
        "learning_rate": Knob(rate, learning_rate, "step size, before the schedule"),
        "weight_decay": Knob(Number(0.0, 1e3), weight_decay, "pull of every parameter towards 0, biases too"),
        "clip_norm": Knob(Nullable(Number(0.0, 1e9, above=True)), None, "longest gradient; null: any length"),
    }


_MOMENTUM = Knob(Number(0.0, 0.9999), 0.0, "share of the last step that goes on")
_EPS = Number(0.0, 1.0)


_BETAS = ListOf(Number(0.0, 0.999999), 2, 2)
_ADAM = {
    "betas": Knob(_BETAS, (0.9, 0.999), "decay of the running mean and of the running square"),
    "eps": Knob(_EPS, 1e-8, "added to the root, against division by 0"),
}
OPTIMIZER = Family(
    "optimizer",
    {
        "adam": _common(0.01) | _ADAM,
        "adamw": _common(0.01, 0.01) | _ADAM,
        "sgd": _common(0.1)
        | {
            "momentum": _MOMENTUM,
            "nesterov": Knob(Boolean(), default=False, help="look ahead along the momentum"),
        },
        "rmsprop": _common(0.01)
        | {
            "alpha": Knob(Number(0.0, 0.999999), 0.99, "decay of the running square"),
            "eps": Knob(_EPS, 1e-8, "added to the root, against division by 0"),
            "momentum": _MOMENTUM,
        },
        "adagrad": _common(0.01)
        | {
            "initial_accumulator_value": Knob(Number(0.0, 1e6), 0.0, "what the sum of squares starts from"),
            "eps": Knob(_EPS, 1e-10, "added to the root, against division by 0"),
        },
    },
)

_WARMUP = {
    "warmup_epochs": Knob(Number(0, 1e6, whole=True), 0, "epochs of a linear climb before the schedule")
}
_GAMMA = Number(0.0, 1.0, above=True)
SCHEDULE = Family(
    "schedule",
    {
        "constant": _WARMUP,
        "linear": {"end_factor": Knob(Number(0.0, 10.0), 0.1, "factor that epoch n would have")} | _WARMUP,
        "cosine": _WARMUP,
        "exponential": {"gamma": Knob(_GAMMA, 0.99, "factor an epoch")} | _WARMUP,
        "step": {
            "every": Knob(Number(1, 1e6, whole=True), 10, "epochs between two steps"),
            "gamma": Knob(_GAMMA, 0.5, "factor a step"),
        }
        | _WARMUP,
    },
)
