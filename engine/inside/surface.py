"""What a model answers over a plane of two of its inputs, the others held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.fitting.preprocessing import Input
from engine.data.table import Table
from engine.errors import BadData, Problem
from engine.execution.tally import predicted_classes
from engine.inside.graphs.nodes import finite
from engine.models.instances import MAX_PROBLEMS, read_cells
from engine.models.model import TrainedModel
from engine.registry import hint_of, listed

Array = NDArray[np.float64]
MARGIN = 0.1  # of an axis's range, shown beyond the least and the greatest number of training


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of the plane: an input and the numbers it takes."""

    name: str
    low: float
    high: float
    count: int

    @property
    def values(self) -> Array:
        """`count` numbers from low to high."""
        return np.linspace(self.low, self.high, self.count)

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "min": self.low, "max": self.high, "values": self.values.tolist()}


@dataclass(frozen=True, slots=True)
class Surface:
    """`scores` (outputs, rows by y, columns by x); in a regression values in the target's own unit."""

    x: Axis
    y: Axis
    held: dict[str, Any]
    scores: Array
    classes: tuple[Any, ...] | None

    @property
    def labels(self) -> Array | None:
        """(rows, columns): positions in `classes`; None in a regression."""
        if self.classes is None:
            return None
        flat = self.scores.reshape(len(self.scores), -1).T
        return predicted_classes(flat).reshape(self.scores.shape[1:])

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        labels = self.labels
        return {
            "x": self.x.to_document(),
            "y": self.y.to_document(),
            "held": self.held,
            "classes": None if self.classes is None else list(self.classes),
            "scores": [[[finite(s) for s in row] for row in output] for output in self.scores.tolist()],
            "labels": None if labels is None else labels.astype(np.int64).tolist(),
        }


def make_axis(
    model: TrainedModel, side: str, name: str, bounds: tuple[float | None, float | None], count: int
) -> Axis:
    """The `side` (x or y) over a numeric input, by default a little beyond what training has seen.

    Raises BadData with pointers as the query has names: /x, /x_min.
    """
    low, high = bounds
    each = _numeric_input(model, name, f"/{side}")
    least, most = each.lowest or 0.0, each.highest if each.highest is not None else 1.0
    margin = MARGIN * ((most - least) or 1.0)
    low, high = (least - margin if low is None else low), (most + margin if high is None else high)
    if not low < high:
        detail = f"{side}_min must be less than {side}_max, got {low} and {high}"
        raise BadData.because(detail, pointer=f"/{side}_min", code="out_of_range")
    return Axis(name, low, high, count)


def surface(model: TrainedModel, x: Axis, y: Axis, held: Mapping[str, Any]) -> Surface:
    """The model over the plane; `held` inputs keep their value, those not named their usual one."""
    if x.name == y.name:
        raise BadData.because(f"x and y are both {x.name}", pointer="/y", code="repeated")
    row = _held_row(model, (x.name, y.name), held)
    cells = read_cells(model.inputs, row, "")
    across, up = (grid.ravel() for grid in np.meshgrid(x.values, y.values))
    columns = {x.name: across, y.name: up}
    encoded = np.hstack(
        [
            each.encode(columns.get(each.name, np.full(len(across), cell)))
            for each, cell in zip(model.inputs, cells, strict=True)
        ]
    )
    target = model.encoding.target
    scores = model.scores(encoded)
    if model.classes is None:
        scores = scores * target.scale + target.offset
    shown = {name: value for name, value in row.items() if name not in columns}
    return Surface(x, y, shown, scores.T.reshape(-1, y.count, x.count), model.classes)


def points_on(plane: Surface, model: TrainedModel, table: Table, most: int) -> dict[str, list[Any]]:
    """Up to `most` rows of a table, evenly chosen: where they lie on the plane, and their target."""
    chosen = np.unique(np.linspace(0, table.row_count - 1, min(most, table.row_count)).astype(np.int64))
    part = table.take(chosen)
    names = [*part.names]
    rows = part.rows(0, part.row_count)
    wanted = {"x": plane.x.name, "y": plane.y.name, "target": model.encoding.target.name}
    return {key: [row[names.index(name)] for row in rows] for key, name in wanted.items()}


def usual_value(each: Input) -> Any:
    """What stands for an input that nobody looks at: what fills a gap, else the middle."""
    if each.type == "category":
        return each.categories[int(each.fill or 0) % len(each.categories)] if each.categories else None
    if each.type == "boolean":
        return bool(each.fill or 0.0)
    if each.fill is not None:
        return each.fill
    return ((each.lowest or 0.0) + (each.highest or 0.0)) / 2.0


def _held_row(model: TrainedModel, moving: tuple[str, str], held: Mapping[str, Any]) -> dict[str, Any]:
    names = [each.name for each in model.inputs]
    free = [name for name in names if name not in moving]
    fact = f"is no input that can be held; there are {listed(free) or 'none'}"
    unknown = islice((name for name in held if name not in free), MAX_PROBLEMS)
    problems = [Problem(f"/hold.{name}", "unknown_field", f"{name} {fact}") for name in unknown]
    if problems:
        raise BadData(problems)
    return {each.name: held.get(each.name, usual_value(each)) for each in model.inputs}


def _numeric_input(model: TrainedModel, name: str, pointer: str) -> Input:
    found = next((each for each in model.inputs if each.name == name), None)
    numbers = [each.name for each in model.inputs if each.type == "number"]
    if found is None or found.type != "number":
        fact = f'the model has no input "{name}"' if found is None else f'"{name}" is no number'
        hint = hint_of(name, numbers) or f"Numeric inputs: {listed(numbers) or 'none'}."
        raise BadData.because(fact, pointer=pointer, code="unknown_column", hint=hint)
    return found
