"""What a program depends on: two trainings of one shape run the same machine code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from engine.compiler.assembly.ir import DOUBLE, FLOAT, Real
from engine.compiler.assembly.lower import Trace
from engine.compiler.kernels.activation import ActivationPlan
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.heads import Kind, Measure
from engine.compiler.kernels.layout import FEW, LayerLayout, LayerShape, layer_layouts, rounded_up, row_tile
from engine.compiler.kernels.selection import LEAST
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES, Loss

CUT_OFF = ("ReLU", "max")
"""Primitives by which a loss such as the hinge is 0 from some score on."""

Structure = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class ProgramShape:
    """A training without its numbers. `knobs` keeps of the optimizer's only what shapes its formula."""

    layers: tuple[LayerShape, ...]
    loss: Loss
    kind: Kind
    watched: str
    optimizer: str
    knobs: Structure
    batch: int
    shuffled: bool
    weighted: bool
    validated: bool
    precision: str

    @cached_property
    def real(self) -> Real:
        """The program's arithmetic."""
        return FLOAT if self.precision == "float32" else DOUBLE

    @cached_property
    def layouts(self) -> tuple[LayerLayout, ...]:
        """Where parameters lie."""
        return layer_layouts(self.layers, self.real, FEW)

    @cached_property
    def activations(self) -> tuple[ActivationPlan, ...]:
        """How each layer's activation is carried out."""
        last = self.layers[-1]
        return tuple(
            ActivationPlan(layer.activation, ACTIVATIONS.get(layer.activation), layer.dropout, layer is last)
            for layer in self.layers
        )

    @property
    def clipped(self) -> bool:
        """Whether gradients are clipped."""
        return dict(self.knobs)["clip_norm"] is not None

    @property
    def guarded(self) -> bool:
        """Whether padding must be kept at 0 by force: without eps an update divides 0 by 0."""
        return bool(dict(self.knobs).get("eps", 1.0) == 0.0)

    @property
    def targets(self) -> tuple[float, float]:
        """The two values of a class indicator."""
        return (-1.0, 1.0) if self.loss.targets == "margin" else (0.0, 1.0)

    @property
    def loss_divisor(self) -> int:
        """What a row's loss is divided by: the outputs, where the mean is over elements."""
        return self.layers[-1].units if self.loss.mean == "elements" else 1

    @property
    def selects(self) -> bool:
        """Whether rows without slopes are looked for: there may be some where the loss is cut off.

        It depends on nothing of the CPU's, since what moves up is summed with other neighbours.
        """
        worth_it = self.batch >= LEAST and len(self.layouts) > 1 and self.layouts[-1].is_dot
        return worth_it and any(node.op in CUT_OFF for node in self._loss_graph().nodes)

    def measure(self, *, training: bool) -> Measure:
        """What the head measures."""
        divisor = self.loss_divisor
        return Measure(self.loss.function, divisor, self.kind, self.targets, self.weighted, training)

    @property
    def recipe(self) -> str:
        """Everything here in words: equal recipes give equal programs, also tomorrow and elsewhere.

        A loss of the library is known by its name, a user's expression by its graph.
        """
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        parts["loss"] = [getattr(self.loss, field.name) for field in fields(Loss) if field.name != "function"]
        if self.loss.name not in LOSSES:
            parts["graph"] = self._loss_graph().text
        return repr(parts)

    def _loss_graph(self) -> Trace:
        loss, count = self.loss.function, self.layers[-1].units
        return (
            Trace(lambda *v: loss(v[:count], v[count:]), 2 * count) if self.loss.rowwise else Trace(loss, 2)
        )

    def rows(self, registers: int) -> Rows:
        """How a batch's rows are laid out for a CPU with so many vector registers.

        A few rows more than needed keep panels from starting at multiples of 4096 bytes, which would
        make their stores and loads wait for each other.
        """
        tile, lanes = row_tile(self.batch, registers), self.real.lanes
        return Rows(rounded_up(rounded_up(self.batch, tile), lanes) + lanes, tile, self.batch, registers)


VARIABLE = 0.5
"""Stands for a knob whose number is an argument of the program."""


def structure(knobs: Mapping[str, Any]) -> Structure:
    """The knobs with their numbers taken out, but for zeros, which drop whole terms."""

    def shape(knob: Any) -> Any:
        varying = len(_varying(knob))
        return (VARIABLE,) * varying if isinstance(knob, tuple) else VARIABLE if varying else knob

    return tuple((name, shape(knob)) for name, knob in knobs.items() if name != "learning_rate")


def variables(knobs: Mapping[str, Any]) -> list[float]:
    """The numbers that `structure` took out, in its order."""
    return [
        float(number) for name, knob in knobs.items() if name != "learning_rate" for number in _varying(knob)
    ]


def _varying(knob: Any) -> tuple[float, ...]:
    """The numbers of a knob that may change without changing the formula."""
    if isinstance(knob, tuple):
        return knob
    return (knob,) if isinstance(knob, float) and knob else ()
