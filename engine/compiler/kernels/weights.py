"""The gradient of a layer's weights: inputs times slopes, summed over the rows of a batch.

The inner loop keeps the sums of 8 inputs by one panel in registers, or of as few inputs as registers allow.
Each is one chain of fused multiply-adds in the order of the rows, or two of the even and the odd ones where
the shape has few, so no choice of parts can change a bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.compiler.assembly.ir import Index, Vector
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import ZERO, Vectors
from engine.compiler.kernels.dense import UNROLLED, Rows
from engine.compiler.kernels.layout import LayerLayout

INPUTS_AT_ONCE = 8
FEW_SUMS = 4
"""Vectors of sums at once where there are 16 registers of half a vector: 8 for them, 5 for what is added."""


@dataclass(frozen=True, slots=True)
class WeightGradient:
    """inputsᵀ × slopes, one panel of outputs after the other, each handed to the optimizer at once.

    `update` names the optimizer's kernel; where it is None the gradient is left in place of scratch, at
    the parameters' own offsets, for a later look at the whole of it.
    """

    layout: LayerLayout
    rows: Rows
    update: str | None


def weight_gradient(module: Module, spec: WeightGradient) -> str:
    """The kernel `(inputs, slopes, parameters, gradient, constants; rows)`."""

    def emit(code: Vectors) -> None:
        code.loop(0, spec.layout.outputs.count, 1, [], lambda panel, _: _gradient_panel(code, spec, panel))

    return module.define(spec, "weight_gradient", ["%a*", "%g*", "%w*", "%d*", "%c*", "%rows"], emit)


def _gradient_panel(code: Vectors, spec: WeightGradient, panel: Index) -> list[str]:
    layout, width = spec.layout, spec.layout.inputs.width
    slopes = code.at("%g", code.multiply(panel, spec.rows.capacity * layout.outputs.width))
    place = code.multiply(panel, layout.panel)
    gradient = code.at("%d", 0 if spec.update else place)
    whole, rest = divmod(layout.inputs.size, INPUTS_AT_ONCE)
    in_panel = width // INPUTS_AT_ONCE

    def some(k: Index, count: int, *, biased: bool) -> None:
        """The weights of the k-th few inputs; the first ones sum the biases too."""
        panel = code.multiply(code.divide(k, in_panel), spec.rows.capacity * width)
        first = code.multiply(code.remainder(k, in_panel), INPUTS_AT_ONCE)
        inputs = code.at("%a", code.add(panel, first))
        totals = _gradient_sums(code, spec, (inputs, slopes), count, biased=biased)
        row = code.add(code.multiply(k, INPUTS_AT_ONCE), 1)
        place = code.at(gradient, code.multiply(row, layout.outputs.width))
        weights = count * layout.outputs.vectors
        for j, total in enumerate(totals):  # past the weights' sums come the biases', in row 0
            base, vector = (place, j) if j < weights else (gradient, j - weights)
            code.store(total, base, vector * code.real.lanes)

    def later(k: Index, _: list[str]) -> list[str]:
        some(k, INPUTS_AT_ONCE, biased=False)
        return []

    if whole:
        some(0, INPUTS_AT_ONCE, biased=True)
    if whole > 1:
        code.loop(1, whole, 1, [], later)
    if rest:
        some(whole, rest, biased=not whole)
    if spec.update:
        code.call(spec.update, layout.panel, pointers=[code.at("%w", place), gradient, "%c"])
    return []


def _gradient_sums(
    code: Vectors, spec: WeightGradient, sources: tuple[str, str], count: int, *, biased: bool
) -> list[Vector]:
    """The sums over rows for `count` inputs, and then the biases'.

    Few sums are split in two chains, of the even and of the odd rows: one would wait for itself. How few
    registers a CPU has tells only in how many parts they are summed: the chains are the same.
    """
    vectors = spec.layout.outputs.vectors
    chains = min(2 if (count + biased) * vectors < 8 else 1, UNROLLED, spec.rows.tile)
    part = count if spec.rows.registers >= 32 else max(1, FEW_SUMS // (vectors * chains))
    totals: list[Vector] = []
    for first in range(0, count, part):
        at_once, last = min(part, count - first), first + part >= count
        here = code.at(sources[0], first), sources[1]
        totals += _gradient_part(code, spec, here, at_once, chains, biased=biased and last)
    return totals


def _gradient_part(
    code: Vectors, spec: WeightGradient, sources: tuple[str, str], count: int, chains: int, *, biased: bool
) -> list[Vector]:
    outputs, lanes = spec.layout.outputs, code.real.lanes
    at_once = min(UNROLLED, spec.rows.tile)
    sums = (count + biased) * outputs.vectors

    def rows(row: Index, totals: list[str]) -> list[str]:
        totals = list(totals)
        inputs = code.at(sources[0], code.multiply(row, spec.layout.inputs.width))
        here = code.at(sources[1], code.multiply(row, outputs.width))
        for r in range(at_once):
            g = [code.load(here, r * outputs.width + v * lanes) for v in range(outputs.vectors)]
            base = (r % chains) * sums
            for k in range(count):
                x = code.spread(inputs, r * spec.layout.inputs.width + k)
                for v, slope in enumerate(g):
                    j = base + k * len(g) + v
                    totals[j] = code.fma(x, slope, totals[j])
            for v, slope in enumerate(g if biased else []):
                j = base + count * len(g) + v
                totals[j] = code.plus(totals[j], slope)
        return totals

    totals = code.loop(0, spec.rows.tiled, at_once, [(code.real.vector, ZERO)] * (sums * chains), rows)
    if chains == 2:
        totals = [code.plus(x, y) for x, y in zip(totals[:sums], totals[sums:], strict=True)]
    return totals
