"""Exact derivatives of a model's answers by its raw inputs, for many rows at once.

A score s of the network depends on the encoded row x through layers z = W·a + b, a' = f(z). With the
slopes ∂s/∂z of each layer the chain rule gives the gradient, and with the Jacobians ∂z/∂x as well

    ∂²s/∂x∂x = Σ over layers, units k:  ∂s/∂a'ₖ · f″(zₖ) · (∂zₖ/∂x)(∂zₖ/∂x)ᵀ

because only the activations are curved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.autograd.derivative import derivative
from engine.autograd.vectorized import Vectorized
from engine.data.fitting.preprocessing import Input
from engine.errors import BadData
from engine.execution.array_predictor import Pass, forward_pass, slopes_of, unit_slopes
from engine.execution.plan import unflatten
from engine.models.instances import encode_instances
from engine.models.model import TrainedModel
from engine.nn.activations import ACTIVATIONS
from engine.registry import hint_of, listed
from engine.spec.resolve import class_text
from engine.spec.rules import shown

Array = NDArray[np.float64]
CHUNK_CELLS = 4_000_000  # numbers in flight: what is computed at once stays within a cache or two


@dataclass(frozen=True, slots=True)
class Derivatives:
    """For each row: the output looked at, its value, and the value's derivatives, as JSON has them.

    `values` are scores; in a regression, predictions in the target's own unit. A derivative by a category
    is an object: by each category, the slope along that category's own 0-or-1 input.
    """

    outputs: list[int]
    values: list[float]
    gradients: list[dict[str, Any]]
    hessians: list[dict[str, Any]] | None


def derivatives(
    model: TrainedModel,
    instances: Sequence[Any],
    output: int | None = None,
    order: int = 1,
    pointer: str = "/instances",
) -> Derivatives:
    """The derivatives of one output, by default of each row's predicted class; raises BadData.

    A missing number counts as the number that was filled in for it. At a kink of relu and its kin the slope
    is the one that training uses: 0 at relu's 0.
    """
    x = encode_instances(model.inputs, instances, pointer)
    found = model.predictor.gradients(x, output)
    _refuse_overflow(found.values, pointer)
    return Derivatives(
        found.outputs.tolist(),
        (found.values * model.encoding.target.scale + model.encoding.target.offset).tolist(),
        _named(model.inputs, found.slopes * _factors(model)),
        _hessians(model, _seconds(model, x, found.outputs)) if order == 2 else None,
    )


def _seconds(model: TrainedModel, x: Array, chosen: NDArray[np.int64]) -> Array:
    """`_second` of many rows, part by part."""
    wide = sum(layer.inputs + layer.units for layer in model.layers)
    at_once = max(1, CHUNK_CELLS // (wide * model.encoding.width**2))
    parts = [slice(start, start + at_once) for start in range(0, max(len(x), 1), at_once)]
    return np.concatenate([_second(model, x[part], chosen[part]) for part in parts])


def chosen_output(model: TrainedModel, output: int | None, label: Any = None) -> int | None:
    """The output that an index or a class names; None for each row's own. Raises BadData.

    A model of two classes has one score, positive for the second class: either class names that one.
    """
    count = model.layers[-1].units
    if output is not None and label is not None:
        raise BadData.because(
            "the output is named by output or by label, got both", pointer="/label", code="ambiguous_output"
        )
    if output is not None and not 0 <= output < count:
        detail = f"output must lie between 0 and {count - 1}, got {output}"
        raise BadData.because(detail, pointer="/output", code="unknown_output", hint="it counts the scores")
    if label is None:
        return output
    position = _class_position(model, label)
    return position if count > 1 else 0


def _class_position(model: TrainedModel, label: Any) -> int:
    classes = model.classes
    if classes is None:
        detail = "a regression has no labels"
        raise BadData.because(detail, pointer="/label", code="unknown_output", hint="leave label out")
    for position, known in enumerate(classes):
        if label == known and isinstance(label, bool) == isinstance(known, bool):
            return position
    names = [class_text(known) for known in classes]
    detail = f"the model knows no class {shown(label)}; it knows {listed(names)}"
    hint = hint_of(str(label), names)
    raise BadData.because(detail, pointer="/label", code="unknown_output", hint=hint)


def _second(model: TrainedModel, x: Array, chosen: NDArray[np.int64]) -> Array:
    """(rows, width, width): the second derivatives of the chosen scores by the encoded row, symmetric."""
    done = forward_pass(model, x)
    jacobians = _jacobians(model, done)
    second = np.zeros((len(x), x.shape[1], x.shape[1]))
    for i, along_outputs, _, _ in slopes_of(model, done, unit_slopes(done.scores, chosen)):
        curved = along_outputs * _curvature(model.layers[i].activation)(done.sums[i]).value
        second += np.matmul(jacobians[i].transpose(0, 2, 1), curved[:, :, None] * jacobians[i])
    second += second.transpose(0, 2, 1)  # either side of the diagonal was rounded its own way
    second *= 0.5
    return second


def _jacobians(model: TrainedModel, done: Pass) -> list[Array]:
    """For each layer (rows, units, width): how its sums lean on the encoded row."""
    found: list[Array] = []
    for i, (weights, _) in enumerate(unflatten(model.layers, model.parameters)):
        if not i:
            found.append(np.broadcast_to(weights, (len(done.scores), *weights.shape)))
            continue
        slopes = done.activations[i - 1].gradients(np.ones_like(done.sums[i - 1]))[0]
        found.append(np.matmul(weights, slopes[:, :, None] * found[-1]))
    return found


@cache
def _curvature(activation: str) -> Vectorized:
    """f″ of an activation, derived from the table of primitives and traced once."""
    return Vectorized(derivative(derivative(ACTIVATIONS.get(activation))), 1)


def _refuse_overflow(values: Array, pointer: str) -> None:
    bad = np.flatnonzero(~np.isfinite(values)).tolist()
    if bad:
        detail = f"the score of row {bad[0]} is not a finite number: its inputs are too large"
        hint = "give inputs of the size that the model was trained on"
        raise BadData.because(detail, pointer=f"{pointer}/{bad[0]}", code="not_finite", hint=hint)


def _factors(model: TrainedModel) -> Array:
    """(width,): ∂(value)/∂(raw input) per ∂(score)/∂(encoded input)."""
    scales = [np.full(each.width, 1.0 / each.scale) for each in model.inputs]
    factors: Array = np.concatenate(scales) * model.encoding.target.scale
    return factors


def _named(inputs: tuple[Input, ...], rows: Array) -> list[dict[str, Any]]:
    """(rows, width) → one object a row; what is not finite becomes None."""
    plain = all(each.type != "category" and not each.indicator for each in inputs)
    if plain and np.isfinite(rows).all():
        names = [each.name for each in inputs]
        return [dict(zip(names, row, strict=True)) for row in rows.tolist()]
    return [name_columns(inputs, row) for row in _json_numbers(rows)]


def _json_numbers(rows: Array) -> list[Any]:
    """As nested lists, None for what is not finite."""
    found: NDArray[Any] = rows.astype(object)
    found[~np.isfinite(rows)] = None
    listed: list[Any] = found.tolist()
    return listed


def name_columns(inputs: tuple[Input, ...], row: Sequence[Any]) -> dict[str, Any]:
    """One thing for each network input → by raw input; a category's are an object by category."""
    named: dict[str, Any] = {}
    start = 0
    for each in inputs:
        part = row[start : start + each.width]
        named[each.name] = dict(zip(each.members, part, strict=False)) if each.type == "category" else part[0]
        start += each.width
    return named


def _hessians(model: TrainedModel, second: Array) -> list[dict[str, Any]]:
    factors, width = _factors(model), model.encoding.width
    scaled = second * np.outer(factors, factors) / model.encoding.target.scale
    lines = _named(model.inputs, scaled.reshape(-1, width))
    return [name_columns(model.inputs, lines[start : start + width]) for start in range(0, len(lines), width)]
