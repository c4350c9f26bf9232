"""A batch's rows, brought together from wherever the data have them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.compiler.assembly.ir import Index
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.kernels.dense import Rows
from engine.compiler.kernels.layout import Panels


@dataclass(frozen=True, slots=True)
class Gathering:
    """Rows of so many `inputs`; without weights unless they are `weighted`."""

    inputs: Panels
    rows: Rows
    weighted: bool


def gathering(module: Module, spec: Gathering) -> str:
    """The kernel `(data, targets, weights, order, panels, their targets, their weights; count)`.

    `order` (i32) tells which row of the data comes when.
    """
    parameters = ["%x*", "%y*", "%r*", "%order*", "%a*", "%ty*", "%tr*", "%count"]
    return module.define(spec, "gather", parameters, lambda code: _emit(code, spec))


def _emit(code: Vectors, spec: Gathering) -> None:
    inputs = spec.inputs

    def row(b: Index, _: list[str]) -> list[str]:
        source = code.load_index("%order", b, bits=32)
        line, panel = code.at("%x", code.multiply(source, inputs.padded)), code.multiply(b, inputs.width)
        for first in range(0, inputs.padded, code.real.lanes):
            base = first // inputs.width * spec.rows.capacity * inputs.width + first % inputs.width
            code.store(code.load(line, first), "%a", code.add(base, panel))
        code.store_number(code.load_number("%y", source), "%ty", b)
        if spec.weighted:
            code.store_number(code.load_number("%r", source), "%tr", b)
        return []

    code.loop(0, "%count", 1, [], row)
