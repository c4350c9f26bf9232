"""Schedules: the factor on the learning rate in epoch i of n, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from engine.registry import Registry

Schedule = Callable[[int, int, Mapping[str, float]], float]
"""(i, n, knobs) → the factor in epoch i of n."""

SCHEDULES: Registry[Schedule] = Registry("schedule")


def learning_rate_factor(name: str, knobs: Mapping[str, float], epoch: int, epochs: int) -> float:
    """The factor in `epoch` of `epochs`: a linear climb over the warm-up epochs, then the schedule.

    Warm-up epoch i of w has the factor (i + 1)/w of the schedule's first; the schedule then runs over
    the epochs that are left, from its own 0.
    """
    warmup = int(knobs.get("warmup_epochs", 0))
    schedule, n = SCHEDULES.get(name), max(epochs - warmup, 1)
    if epoch < warmup:
        return schedule(0, n, knobs) * (epoch + 1) / warmup
    return schedule(epoch - warmup, n, knobs)


@SCHEDULES.register("constant")
def constant(i: int, n: int, knobs: Mapping[str, float]) -> float:
    """The rate as it is."""
    return 1.0


@SCHEDULES.register("linear")
def linear(i: int, n: int, knobs: Mapping[str, float]) -> float:
    """1 − (1 − end_factor)·i/n: a straight line that would reach end_factor in epoch n."""
    return 1.0 - (1.0 - knobs["end_factor"]) * i / n


@SCHEDULES.register("cosine")
def cosine(i: int, n: int, knobs: Mapping[str, float]) -> float:
    """½(1 + cos(π·i/n)): half a cosine wave (Loshchilov & Hutter 2017, equation 5, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * i / n))


@SCHEDULES.register("exponential")
def exponential(i: int, n: int, knobs: Mapping[str, float]) -> float:
    """gammaⁱ."""
    return float(knobs["gamma"] ** i)


@SCHEDULES.register("step")
def step(i: int, n: int, knobs: Mapping[str, float]) -> float:
    """gamma to the number of times `every` epochs have passed."""
    return float(knobs["gamma"] ** (i // int(knobs["every"])))
