"""Activations: each is one function of one Value, and every executor reads it here."""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.autograd.value import Value
from engine.registry import Registry

Activation = Callable[[Value], Value]

ACTIVATIONS: Registry[Activation] = Registry("activation")


@ACTIVATIONS.register("tanh")
def tanh(x: Value) -> Value:
    """The hyperbolic tangent, from −1 to 1."""
    return x.tanh()


@ACTIVATIONS.register("relu")
def relu(x: Value) -> Value:
    """max(x, 0); its slope at 0 is 0."""
    return x.relu()


@ACTIVATIONS.register("leaky_relu")
def leaky_relu(x: Value) -> Value:
    """x above 0, 0.01·x below (Maas, Hannun & Ng 2013)."""
    return (0.01 * x).maximum(x)


@ACTIVATIONS.register("elu")
def elu(x: Value) -> Value:
    """x above 0, eˣ − 1 below (Clevert, Unterthiner & Hochreiter 2016, equation 16, α = 1)."""
    return x.relu() + x.minimum(0.0).expm1()


@ACTIVATIONS.register("gelu")
def gelu(x: Value) -> Value:
    """x·Φ(x) with the normal distribution's Φ, exact by erf (Hendrycks & Gimpel 2016)."""
    return 0.5 * x * (1.0 + (x * math.sqrt(0.5)).erf())


@ACTIVATIONS.register("silu")
def silu(x: Value) -> Value:
    """x·sigmoid(x), also called swish (Elfwing, Uchibe & Doya 2018)."""
    return x * x.sigmoid()


@ACTIVATIONS.register("sigmoid")
def sigmoid(x: Value) -> Value:
    """1 / (1 + e⁻ˣ), from 0 to 1."""
    return x.sigmoid()


@ACTIVATIONS.register("softplus")
def softplus(x: Value) -> Value:
    """log(1 + eˣ), a smooth relu."""
    return x.softplus()


@ACTIVATIONS.register("linear")
def linear(x: Value) -> Value:
    """x itself."""
    return x
