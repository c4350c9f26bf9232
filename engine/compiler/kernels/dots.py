"""The head of a single output or a few classes: scores, loss, gradient and slopes in two passes over rows.

So few outputs would leave most lanes of a panel idle. Their weights lie along the inputs instead,
`[biases][output][input]`, and a score is a dot product. Eight rows' sums across lanes make a vector whose
lanes are rows, as the loss wants them. The first pass finds every row's scores, the second the loss and its
slopes by them, the third what those do to weights and inputs: within each, groups of rows do not wait for one
another, and the CPU looks far enough ahead to have two of them in hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.autograd.value import Value
from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.lower import Trace, lowered
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.classes import LossKind, class_losses
from engine.compiler.kernels.dense import STORED, Rows, Slope, sloped
from engine.compiler.kernels.heads import Batch, Measure, Tally
from engine.compiler.kernels.layout import LayerLayout, Panels


@dataclass(frozen=True, slots=True)
class DotHead:
    """The last layer with its loss. `slope` is the rule of the layer below, if there is one `below`."""

    layout: LayerLayout
    rows: Rows
    activation: Callable[[Value], Value]
    measure: Measure
    loss: LossKind
    below: bool
    slope: Slope


def dot_head(module: Module, spec: DotHead) -> str:
    """The kernel of a last layer of few outputs, up to the loss; the biases' gradient needs no more.

    Arguments: inputs, parameters, targets, weights, slopes by the scores `[output][row]`, gradient, sums;
    count, rows.
    """
    parameters = ["%a*", "%w*", "%y*", "%r*", "%z*", "%d*", "%sums*", "%count", "%rows"]
    return module.define(("dot_head", spec), "dot_head", parameters, lambda code: _dot_head(code, spec))


def _dot_head(code: Vectors, spec: DotHead) -> None:
    code.loop(0, spec.rows.tiled, code.real.lanes, [], lambda row, _: _scores(code, spec, row))
    slopes = _losses(code, spec)
    if slopes:
        code.store(code.sums(slopes + [ZERO] * (code.real.lanes - len(slopes))), "%d")


def dot_gradient(module: Module, spec: DotHead) -> str:
    """The kernel that goes on from the slopes by the scores; those by the inputs take these inputs' place.

    Arguments: inputs, parameters, slopes by the scores, stored slopes, gradient; rows.
    """
    parameters = ["%a*", "%w*", "%z*", "%s*", "%d*", "%rows"]

    def emit(code: Vectors) -> None:
        code.loop(0, spec.layout.inputs.count, 1, [], lambda panel, _: _gradient_panel(code, spec, panel))

    return module.define(("dot_gradient", spec), "dot_gradient", parameters, emit)


def _scores(code: Vectors, spec: DotHead, row: Index) -> list[str]:
    """The scores of a group from `row`, but for their biases: one vector of `%z` an output."""
    layout = spec.layout
    for c in range(layout.outputs.size):
        weights = layout.weights + c * layout.inputs.padded
        total = dot_products(code, layout.inputs, spec.rows, row, weights)
        code.store(total, "%z", code.add(row, c * spec.rows.capacity))
    return []


def _losses(code: Vectors, spec: DotHead) -> list[Vector]:
    """Puts slopes where the scores were, adds to the tallies; in training, each output's slopes added up."""
    tally, batch = Tally(code, spec.measure), Batch(code, spec.measure)

    def group(row: Index, totals: list[str]) -> list[str]:
        slopes, sums = _slopes(code, spec, batch, row, totals[: tally.count])
        for c, slope in enumerate(slopes):
            code.store(slope, "%z", code.add(row, c * spec.rows.capacity))
        return sums + [code.plus(x, y) for x, y in zip(totals[tally.count :], slopes, strict=True)]

    outputs = spec.layout.outputs.size if spec.measure.training else 0
    start = [*tally.start, *[(code.real.vector, ZERO)] * outputs]
    totals = code.loop(0, spec.rows.tiled, code.real.lanes, start, group)
    tally.write(totals)
    return totals[tally.count :]


def dot_products(code: Vectors, inputs: Panels, rows: Rows, row: Index, weights: Index) -> Vector:
    """Lane k: the dot product of row k of the group from `row` with the weights at `%w[weights]`.

    The sums of all rows grow side by side where registers hold them, else each is finished in its turn.
    """
    lanes = code.real.lanes
    live = rows.in_group(lanes)

    def panel(k: Index, sums: list[str], first: int = 0) -> list[str]:
        offset = code.add(code.multiply(k, rows.capacity * inputs.width), code.multiply(row, inputs.width))
        base, place = code.at("%a", offset), code.add(code.multiply(k, inputs.width), weights)
        sums = list(sums)
        for v in range(inputs.vectors):
            weight = code.load("%w", code.add(place, v * lanes))
            for r in range(len(sums)):
                given = code.load(base, (first + r) * inputs.width + v * lanes)
                sums[r] = code.fma(given, weight, sums[r])
        return sums

    if inputs.count == 1 and rows.registers < 32:
        return code.sums_of(lambda r: panel(0, [ZERO], r)[0] if r < live else ZERO)
    sums = code.loop(0, inputs.count, 1, [(code.real.vector, ZERO)] * live, panel)
    return code.sums(sums + [ZERO] * (lanes - live))


def _slopes(
    code: Vectors, spec: DotHead, batch: Batch, row: Index, totals: list[Vector]
) -> tuple[list[Vector], list[Vector]]:
    """For a group from `row`: the loss's slopes by each sum, in training, and the tallies with this group."""
    layout, training = spec.layout, spec.measure.training
    activation, mask = Trace(spec.activation, 1), batch.mask(row)
    scores = [code.load("%z", code.add(row, c * spec.rows.capacity)) for c in range(layout.outputs.size)]
    biased = [code.plus(score, code.spread("%w", c)) for c, score in enumerate(scores)]
    activated = [lowered(code, activation, [total]) for total in biased]
    results, target = [each.vector(activation.root) for each in activated], code.load("%y", row)
    weight = partial(code.load, "%r", row)
    seed = code.either(mask, batch.seed(weight), 0.0) if training else ZERO
    if len(results) == 1:
        loss, slopes = _loss(code, spec.measure, (results[0], target), seed)
        measured = _measured(code, spec.measure, (results[0], target, mask), totals[1:])
    else:
        loss, hit, slopes = class_losses(code, (spec.measure, spec.loss), results, target, seed)
        measured = [code.plus(totals[1], code.either(mask, hit, 0.0))]
    sums = [code.plus(totals[0], code.either(mask, batch.weigh(loss, weight), 0.0)), *measured]
    pairs = zip(activated, slopes, strict=training)
    back = [each.slopes(activation.root, slope, activation.leaves)[0] for each, slope in pairs]
    return [slope if isinstance(slope, str) else code.constant(slope) for slope in back], sums


def _loss(
    code: Vectors, measure: Measure, pair: tuple[Vector, Vector], seed: Vector
) -> tuple[Vector, list[Vector]]:
    """The losses of single results and their targets and, in training, the slopes by the results."""
    trace = Trace(measure.function, 2)
    losses = lowered(code, trace, pair)
    slopes = losses.slopes(trace.root, seed, trace.leaves[:1]) if measure.training else []
    return losses.vector(trace.root), [s if isinstance(s, str) else code.constant(s) for s in slopes]


def _measured(
    code: Vectors, measure: Measure, group: tuple[Vector, Vector, str], totals: list[Vector]
) -> list[Vector]:
    """The tallies beside the loss with a group's results, targets and mask."""
    result, target, mask = group
    if measure.kind == "classes":
        differ = code.both("xor", code.compare("ogt", result, 0.0), code.compare("ogt", target, 0.0))
        return [code.plus(totals[0], code.either(mask, code.either(differ, 0.0, 1.0), 0.0))]
    error = code.either(mask, code.minus(result, target), 0.0)
    return [code.fma(error, error, totals[0]), code.plus(totals[1], code.magnitude(error))]


def _gradient_panel(code: Vectors, spec: DotHead, panel: Index) -> list[str]:
    """One panel of inputs: as many of its vectors at once as registers hold the sums of."""
    vectors = list(range(spec.layout.inputs.vectors))
    at_once = len(vectors) if spec.rows.registers >= 32 else 1
    for first in range(0, len(vectors), at_once):
        _gradient_part(code, spec, panel, vectors[first : first + at_once])
    return []


def _gradient_part(code: Vectors, spec: DotHead, panel: Index, vectors: list[int]) -> None:
    """Some vectors of inputs: the gradient of their weights over all rows, and the slopes by themselves."""
    inputs, lanes, outputs = spec.layout.inputs, code.real.lanes, range(spec.layout.outputs.size)
    first = code.add(code.multiply(panel, inputs.width), spec.layout.weights)
    places = [code.add(first, c * inputs.padded + v * lanes) for v in vectors for c in outputs]
    weights = [code.load("%w", place) for place in places]
    start = code.multiply(panel, spec.rows.capacity * inputs.width)

    def group(row: Index, totals: list[str]) -> list[str]:
        here, totals = code.add(start, code.multiply(row, inputs.width)), list(totals)
        for r in range(spec.rows.in_group(lanes)):
            slopes = [code.spread("%z", code.add(row, r + c * spec.rows.capacity)) for c in outputs]
            for k, v in enumerate(vectors):
                place = code.add(here, r * inputs.width + v * lanes)
                mine = slice(k * len(outputs), (k + 1) * len(outputs))
                given = code.load("%a", place)
                totals[mine] = [code.fma(x, given, t) for x, t in zip(slopes, totals[mine], strict=True)]
                if spec.below:
                    back = _combined(code, slopes, weights[mine])
                    code.store(_through(code, spec, back, place, given), "%a", place)
        return totals

    none = [(code.real.vector, ZERO)] * len(places)
    totals = code.loop(0, spec.rows.tiled, lanes, none, group)
    for k, (place, total) in enumerate(zip(places, totals, strict=True)):
        begin = code.add(code.multiply(panel, inputs.width), vectors[k // len(outputs)] * lanes)
        # What padding put into it does not count: activation(0) need not be 0.
        live = code.first_lanes(str(code.subtract(inputs.size, begin)))
        code.store(code.either(live, total, 0.0), "%d", place)


def _through(code: Vectors, spec: DotHead, slope: Vector, place: Index, given: Vector) -> Vector:
    """Slopes by the layer below's results as slopes by its sums."""
    stored = partial(code.load, "%s", place)
    return sloped(code, spec.slope, slope, stored if spec.slope == STORED else lambda: given)


def _combined(code: Vectors, slopes: list[Vector], weights: list[Vector]) -> Vector:
    """Σ slope · weight over the outputs."""
    total = code.times(slopes[0], weights[0])
    for slope, weight in zip(slopes[1:], weights[1:], strict=True):
        total = code.fma(slope, weight, total)
    return total
