"""A trained model as plain facts, from which every form of export is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from engine.data.fitting.preprocessing import Input
from engine.models.model import TrainedModel
from engine.models.network import loss_of
from engine.models.rows import RowReader
from engine.spec.resolve import class_text


@dataclass(frozen=True)
class Dense:
    """One layer: weights [units][inputs], biases [units], and its activation's name."""

    weights: list[list[float]]
    biases: list[float]
    activation: str


@dataclass(frozen=True)
class SelfTest:
    """A row that every export carries, with what the model says of it."""

    instance: dict[str, Any]
    scores: list[float]
    answer: dict[str, Any]

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {"instance": self.instance, "scores": self.scores, "answer": self.answer}


@dataclass(frozen=True)
class Portable:
    """The model behind an export."""

    model: TrainedModel

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The raw inputs."""
        return self.model.inputs

    @cached_property
    def layers(self) -> list[Dense]:
        """The network."""
        return [
            Dense(each["weights"], each["biases"], each["activation"])
            for each in self.model.layers_document()
        ]

    @property
    def activations(self) -> list[str]:
        """The activations that occur, each once."""
        return list(dict.fromkeys(layer.activation for layer in self.layers))

    @property
    def outputs(self) -> int:
        """How many scores there are."""
        return len(self.layers[-1].biases)

    @property
    def class_names(self) -> list[str] | None:
        """The classes as text, in order; None for a regression."""
        classes = self.model.classes
        return None if classes is None else [class_text(each) for each in classes]

    @property
    def probabilities(self) -> Literal["sigmoid", "softmax"] | None:
        """How scores become probabilities: "sigmoid", "softmax", or None where the loss fits none."""
        return None if self.model.classes is None else loss_of(self.model.spec.loss).probabilities

    @property
    def title(self) -> str:
        """What the export is called in its first line."""
        return self.model.spec.model.name or "model"

    @cached_property
    def self_test(self) -> SelfTest:
        """A row inside the training data, different in every column."""
        instance = {each.name: _cell(each, i) for i, each in enumerate(self.inputs)}
        reader = RowReader(self.inputs)
        scores = self.model.scores(reader.encode(reader.read([instance])))
        return SelfTest(instance, np.asarray(scores)[0].tolist(), self.model.answers(scores)[0])


def first_positions(portable: Portable) -> list[int]:
    """Where each input's part of the encoded row begins."""
    found, start = [], 0
    for each in portable.inputs:
        found.append(start)
        start += each.width
    return found


def _cell(each: Input, position: int) -> Any:
    if each.type == "category":
        return each.known[position % len(each.known)] if each.known else ""
    if each.type == "boolean":
        return position % 2 == 0
    if each.lowest is None or each.highest is None:
        return each.offset
    return each.lowest + (each.highest - each.lowest) * (position % 7 + 1) / 8
