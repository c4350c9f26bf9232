"""Optimizers: how one parameter moves, in PyTorch's formulas.

An update is written once with `+ − · /` and `** 0.5` alone, so that it runs on a float, on a NumPy
array of all parameters, and on Values traced by the compiler. Weight decay adds to the gradient
(`adamw`: decouples from it) and covers biases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.registry import Registry

Number = Any  # a float, an array of them, or a Value: the formulas do not care
Knobs = Mapping[str, Any]
Update = Callable[[Number, Number, tuple[Number, ...], "Step"], tuple[Number, tuple[Number, ...]]]


@dataclass(frozen=True, slots=True)
class Step:
    """What an update knows besides the parameter, its gradient and its state.

    `corrections` are the numbers that depend on the step's count alone (Adam's 1 − βᵗ), made outside
    so that the update itself stays a scalar formula.
    """

    learning_rate: Number
    knobs: Knobs
    corrections: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An update rule, the names of its state per parameter, and the numbers it needs per step."""

    name: str
    update: Update
    state: Callable[[Knobs], tuple[str, ...]]
    initial: Callable[[Knobs], float]
    corrections: Callable[[Knobs, int], tuple[float, ...]]

    @property
    def help(self) -> str:
        """One line for people: the update's first docstring line."""
        return (self.update.__doc__ or "").partition("\n")[0]


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")


def _optimizer(
    state: Callable[[Knobs], tuple[str, ...]],
    initial: Callable[[Knobs], float] = lambda _: 0.0,
    corrections: Callable[[Knobs, int], tuple[float, ...]] = lambda _, __: (),
) -> Callable[[Update], Update]:
    def register(update: Update) -> Update:
        name = update.__name__
        OPTIMIZERS.add(name, Optimizer(name, update, state, initial, corrections))
        return update

    return register


def clip_factor(norm: float, clip_norm: float | None) -> float:
    """What a gradient of this norm is multiplied by: 1, or less where it is longer than `clip_norm`.

    PyTorch's clip_grad_norm_: clip_norm / (norm + 1e-6), at most 1.
    """
    return 1.0 if clip_norm is None else min(1.0, clip_norm / (norm + 1e-6))


def _bias_corrections(knobs: Knobs, t: int) -> tuple[float, ...]:
    """What Adam's rate and its ε are multiplied by in the t-th step, counted from 1: 1 and 1 in the first."""
    first, second = knobs["betas"]
    root = ((1.0 - second**t) / (1.0 - second)) ** 0.5
    return root * (1.0 - first) / (1.0 - first**t), root


def _decayed(p: Number, g: Number, knobs: Knobs) -> Number:
    return g + knobs["weight_decay"] * p if knobs["weight_decay"] else g


@_optimizer(state=lambda knobs: ("velocity",) if knobs["momentum"] else ())
def sgd(p: Number, g: Number, state: tuple[Number, ...], step: Step) -> tuple[Number, tuple[Number, ...]]:
    """Stochastic gradient descent, with momentum and Nesterov's look-ahead if asked."""
    knobs = step.knobs
    g = _decayed(p, g, knobs)
    if state:
        velocity = knobs["momentum"] * state[0] + g
        state = (velocity,)
        g = g + knobs["momentum"] * velocity if knobs["nesterov"] else velocity
    return p - step.learning_rate * g, state


@_optimizer(state=lambda _: ("sum", "squares"), corrections=_bias_corrections)
def adam(p: Number, g: Number, state: tuple[Number, ...], step: Step) -> tuple[Number, tuple[Number, ...]]:
    """Adaptive moments (Kingma & Ba 2015, algorithm 1)."""
    return _adam_step(p, _decayed(p, g, step.knobs), state, step)


@_optimizer(state=lambda _: ("sum", "squares"), corrections=_bias_corrections)
def adamw(p: Number, g: Number, state: tuple[Number, ...], step: Step) -> tuple[Number, tuple[Number, ...]]:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2)."""
    decay = step.knobs["weight_decay"]
    if decay:
        p = p * (1.0 - step.learning_rate * decay)
    return _adam_step(p, g, state, step)


def _adam_step(
    p: Number, g: Number, state: tuple[Number, ...], step: Step
) -> tuple[Number, tuple[Number, ...]]:
    """m̂ / (√v̂ + ε), with the corrections taken out of the roots, as section 2 of the paper has it.

    Out goes what makes means of m and v, too: the state is m / (1 − β₁) and v / (1 − β₂), sums that decay.
    """
    (first, second), (rate_factor, eps_factor) = step.knobs["betas"], step.corrections
    total, squares = first * state[0] + g, second * state[1] + g * g
    move = total / (squares**0.5 + eps_factor * step.knobs["eps"])
    return p - (step.learning_rate * rate_factor) * move, (total, squares)


@_optimizer(state=lambda knobs: ("square", "velocity") if knobs["momentum"] else ("square",))
def rmsprop(p: Number, g: Number, state: tuple[Number, ...], step: Step) -> tuple[Number, tuple[Number, ...]]:
    """The gradient over its running root mean square (Tieleman & Hinton 2012), with momentum if asked."""
    knobs = step.knobs
    g = _decayed(p, g, knobs)
    square = knobs["alpha"] * state[0] + (1.0 - knobs["alpha"]) * (g * g)
    move = g / (square**0.5 + knobs["eps"])
    if len(state) == 1:
        return p - step.learning_rate * move, (square,)
    velocity = knobs["momentum"] * state[1] + move
    return p - step.learning_rate * velocity, (square, velocity)


@_optimizer(state=lambda _: ("sum",), initial=lambda knobs: float(knobs["initial_accumulator_value"]))
def adagrad(p: Number, g: Number, state: tuple[Number, ...], step: Step) -> tuple[Number, tuple[Number, ...]]:
    """The gradient over the root of the sum of its squares (Duchi, Hazan & Singer 2011)."""
    g = _decayed(p, g, step.knobs)
    total = state[0] + g * g
    return p - step.learning_rate * (g / (total**0.5 + step.knobs["eps"])), (total,)
