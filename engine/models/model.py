"""A trained model: parameters with all that turns raw rows into answers, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.data.fitting.preprocessing import Encoding, Input
from engine.errors import BadModel, BadSpec
from engine.execution.plan import LayerPlan, unflatten
from engine.execution.predictor import Predictor, make_predictor
from engine.execution.tally import predicted_classes
from engine.models.instances import encode_instances, instance_from_text
from engine.models.network import layer_plans, loss_of
from engine.models.safetensors_header import safetensors_metadata
from engine.spec.resolve import class_text
from engine.spec.sections import TrainingSpec

Array = NDArray[np.float64]
FORMAT = 1
_BOTH_CLASSES = np.array([-1.0, 1.0])  # a score is the second class's, its negative the first's


@dataclass(frozen=True)
class TrainedModel:
    """`parameters` is the flat vector: layer by layer, weights (units, inputs) and then biases."""

    spec: TrainingSpec
    encoding: Encoding
    parameters: Array

    @cached_property
    def layers(self) -> tuple[LayerPlan, ...]:
        """The network's layers."""
        return layer_plans(self.spec, self.encoding)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The raw inputs in the order that arrays of numbers have."""
        return self.encoding.inputs

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes in the order of scores and probabilities; None for a regression."""
        return self.encoding.target.classes

    @property
    def parameter_count(self) -> int:
        """Weights and biases."""
        return len(self.parameters)

    @cached_property
    def sha256(self) -> str:
        """The digest of the parameters alone, as little-endian float64 in flat order."""
        return sha256(self.parameters.astype("<f8").tobytes()).hexdigest()

    def scores(self, x: Array) -> Array:
        """(rows, encoded width) → (rows, outputs): the output units' values after their activation."""
        return self.predictor(x)

    @cached_property
    def predictor(self) -> Predictor:
        """What answers for the encoded rows: scores and their gradients."""
        return make_predictor(self.layers, self.parameters)

    def predict(self, instances: Sequence[Any]) -> list[dict[str, Any]]:
        """One answer for each instance, an object by name or an array in the order of `inputs`.

        Classes: `label`, `scores`, and `probabilities` where the loss fits them. Regression: `value` in
        the target's unit. Raises BadData with a pointer to each wrong cell.
        """
        return self.answers(self.scores(encode_instances(self.inputs, instances)))

    def answers(self, scores: Array) -> list[dict[str, Any]]:
        """(rows, outputs) scores → one answer a row."""
        if self.classes is None:
            target = self.encoding.target
            return [{"value": value} for value in (scores[:, 0] * target.scale + target.offset).tolist()]
        classes, names, rows = self.classes, self.class_names, scores.tolist()
        labels = [classes[position] for position in predicted_classes(scores).astype(np.intp).tolist()]
        probabilities = self.probabilities(scores)
        if probabilities is None:
            return [{"label": label, "scores": row} for label, row in zip(labels, rows, strict=True)]
        likely: list[dict[str, float]]
        if len(names) == 2:  # mostly; a display is three times as fast as pairs made a dict
            first, second = names
            likely = [{first: p, second: q} for p, q in probabilities.tolist()]
        else:
            likely = [dict(zip(names, row, strict=True)) for row in probabilities.tolist()]
        return [
            {"label": label, "scores": row, "probabilities": each}
            for label, row, each in zip(labels, rows, likely, strict=True)
        ]

    def probabilities(self, scores: Array) -> Array | None:
        """(rows, classes) in class order, where the loss fits probabilities at all."""
        if self._probabilities == "sigmoid":
            return _sigmoid(scores * _BOTH_CLASSES)
        return _softmax(scores) if self._probabilities == "softmax" else None

    @cached_property
    def class_names(self) -> list[str]:
        """The classes as text, in order; none of a regression."""
        return [class_text(each) for each in self.classes or ()]

    @cached_property
    def _probabilities(self) -> str | None:
        return loss_of(self.spec.loss).probabilities

    def instance_from_text(self, values: Mapping[str, str]) -> dict[str, Any]:
        """One instance from a query string's texts; raises BadData with a pointer to each wrong one."""
        return instance_from_text(self.inputs, values)

    def layers_document(self) -> list[dict[str, Any]]:
        """Every layer's weights (units, inputs), biases and activation, as JSON."""
        return [
            {"weights": weights.tolist(), "biases": biases.tolist(), "activation": layer.activation}
            for layer, (weights, biases) in zip(
                self.layers, unflatten(self.layers, self.parameters), strict=True
            )
        ]

    def to_bytes(self) -> bytes:
        """As a safetensors file whose metadata holds spec and encoding; equal models give equal bytes."""
        tensors: dict[str, Array] = {}
        for i, (weights, biases) in enumerate(unflatten(self.layers, self.parameters)):
            tensors |= {f"layers.{i}.weights": weights, f"layers.{i}.biases": biases}
        facts = {
            "format": FORMAT,
            "spec": self.spec.to_document(),
            "encoding": self.encoding,  # which orjson writes as `to_document` would
            "sha256": self.sha256,
        }
        return save(tensors, metadata={"gradhouse": orjson.dumps(facts).decode()})

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainedModel:
        """The model that `to_bytes` wrote; raises BadModel for bytes that are not one, or were altered."""
        try:
            tensors, facts = load(data), orjson.loads(safetensors_metadata(data)["gradhouse"])
            if facts["format"] != FORMAT:
                raise ValueError(f"its format is {facts['format']}, this version reads {FORMAT}")
            spec = TrainingSpec.from_document(facts["spec"])
            parts = [
                tensors[f"layers.{i}.{part}"]
                for i in range(len(tensors) // 2)
                for part in ("weights", "biases")
            ]
            flat = np.concatenate([part.ravel() for part in parts])
            model = cls(spec, Encoding.from_document(facts["encoding"]), flat)
            _check(model, parts, facts["sha256"])
        except (SafetensorError, BadSpec, KeyError, TypeError, ValueError) as error:
            raise BadModel.because(f"these bytes are not a model: {error}", code="corrupt") from None
        return model


def _sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), which an overflow of the exponential takes to 0, as it should be."""
    with np.errstate(over="ignore"):
        powers = np.exp(-x)
    powers += 1.0
    return np.asarray(np.reciprocal(powers, out=powers))


def _softmax(scores: Array) -> Array:
    """(rows, classes) → (rows, classes): eˢ over the row's sum, shifted so that nothing overflows."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _check(model: TrainedModel, parts: list[Array], digest: str) -> None:
    shapes = [shape for layer in model.layers for shape in ((layer.units, layer.inputs), (layer.units,))]
    if [part.shape for part in parts] != shapes or any(part.dtype != np.float64 for part in parts):
        raise ValueError("the tensors do not have the shapes that the spec asks for")
    if model.sha256 != digest:
        raise ValueError("the parameters are not those that were saved")
