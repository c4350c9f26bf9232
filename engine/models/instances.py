"""Rows to predict, from JSON: checked strictly, every wrong cell named."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.fitting.preprocessing import Input
from engine.errors import BadData, escaped
from engine.registry import listed
from engine.spec.rules import Report, shown

Array = NDArray[np.float64]
MAX_PROBLEMS = 20


def encode_instances(
    inputs: tuple[Input, ...], instances: Sequence[Any], pointer: str = "/instances"
) -> Array:
    """(rows, encoded width): objects by name or arrays in the inputs' order; raises BadData."""
    rows = _plain_numbers(inputs, instances)
    if rows is None:
        rows = _checked_cells(inputs, instances, pointer)
    with np.errstate(over="ignore"):  # scaling may take a huge number to infinity: the scores will show it
        return np.hstack([column.encode(rows[:, i]) for i, column in enumerate(inputs)])


def read_cells(inputs: tuple[Input, ...], instance: Any, pointer: str = "/instance") -> list[float]:
    """One row's raw cells as numbers: a category as its position; missing: −1, or NaN of a number."""
    report = Report()
    cells = _cells(inputs, instance, pointer, report)
    if report:
        raise BadData(report)
    return cells


def _plain_numbers(inputs: tuple[Input, ...], instances: Sequence[Any]) -> Array | None:
    """(rows, inputs), the quick way, where all is arrays of finite numbers; None where any is not."""
    if any(column.type != "number" for column in inputs):
        return None
    for row in instances:
        if (
            type(row) is not list
            or len(row) != len(inputs)
            or not {type(cell) for cell in row} <= {float, int}
        ):
            return None
    try:
        rows = np.array(instances, dtype=np.float64).reshape(len(instances), len(inputs))
    except OverflowError:
        return None
    return rows if np.isfinite(rows).all() else None


def _checked_cells(inputs: tuple[Input, ...], instances: Sequence[Any], pointer: str) -> Array:
    report, rows = Report(), []
    for i, instance in enumerate(instances):
        rows.append(_cells(inputs, instance, f"{pointer}/{i}", report))
        if len(report) >= MAX_PROBLEMS:
            break
    if report:
        raise BadData(report[:MAX_PROBLEMS])
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(inputs))


def _cells(inputs: tuple[Input, ...], instance: Any, pointer: str, report: Report) -> list[float]:
    """One row's cells as numbers: categories as positions, a missing cell as NaN or −1."""
    if isinstance(instance, Mapping):
        return _named_cells(inputs, instance, pointer, report)
    if not isinstance(instance, Sequence) or isinstance(instance, str):
        report.wrong_type(pointer, "an object or an array", instance)
    elif len(instance) != len(inputs):
        detail = f"the row has {len(instance)} values, the model has {len(inputs)} inputs"
        hint = f"give {listed([column.name for column in inputs])} in this order"
        report.add(pointer, "wrong_count", detail, hint)
    else:
        pairs = enumerate(zip(inputs, instance, strict=True))
        return [_cell(column, value, f"{pointer}/{k}", report) for k, (column, value) in pairs]
    return []


def _named_cells(
    inputs: tuple[Input, ...], instance: Mapping[Any, Any], pointer: str, report: Report
) -> list[float]:
    names = [column.name for column in inputs]
    unknown = instance.keys() - set(names)
    missing = [known for known in names if known not in instance]
    for name in islice(unknown, MAX_PROBLEMS):
        detail = f"the model has no input {shown(name)}; its inputs are {listed(names)}"
        hint = report.hint_of(str(name), missing or names)
        report.add(f"{pointer}/{escaped(str(name))}", "unknown_field", detail, hint)
    cells = []
    for column in inputs:
        if column.name in instance:
            cells.append(_cell(column, instance[column.name], f"{pointer}/{escaped(column.name)}", report))
        else:
            hint = "give it, or null if it is unknown" if column.fill is not None else "give it"
            report.add(
                f"{pointer}/{escaped(column.name)}",
                "missing_field",
                f'input "{column.name}" is missing',
                hint,
            )
    return cells


def _cell(column: Input, value: Any, pointer: str, report: Report) -> float:
    if value is None:
        if column.fill is None and not (column.type == "category" and column.ignore_unknown):
            detail = f'input "{column.name}" must not be null: the model knows nothing to fill in'
            report.add(pointer, "missing_values", detail)
        return -1.0 if column.type == "category" else math.nan
    if column.type == "category":
        return _category(column, value, pointer, report)
    if column.type == "boolean":
        if not isinstance(value, bool):
            report.add(
                pointer, "wrong_type", f'input "{column.name}" must be true or false, got {shown(value)}'
            )
        return float(value is True)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        report.add(
            pointer, "wrong_type", f'input "{column.name}" must be a finite number, got {shown(value)}'
        )
        return math.nan
    return float(value)


def _category(column: Input, value: Any, pointer: str, report: Report) -> float:
    if not isinstance(value, str):
        report.add(pointer, "wrong_type", f'input "{column.name}" must be text, got {shown(value)}')
    elif (position := column.position(value)) is not None:
        return float(position)
    elif not column.ignore_unknown:
        detail = f'input "{column.name}" knows no category {shown(value)}; it knows {listed(column.known)}'
        report.add(pointer, "unknown_category", detail, report.hint_of(value, column.known))
    return float(len(column.members))


def instance_from_text(inputs: tuple[Input, ...], values: Mapping[str, str]) -> dict[str, Any]:
    """One instance from texts by name, as a query string gives them; raises BadData."""
    columns, report = {column.name: column for column in inputs}, Report()
    instance = {
        name: _from_text(columns[name], text, f"/{escaped(name)}", report) if name in columns else text
        for name, text in values.items()
    }
    problems = list(report)
    wrong = {problem.pointer for problem in problems}
    _named_cells(inputs, instance, "", checked := Report())
    problems += [problem for problem in checked if problem.pointer not in wrong]
    if problems:
        raise BadData(problems)
    return instance


def _from_text(column: Input, text: str, pointer: str, report: Report) -> Any:
    if column.type == "category":
        return text
    if column.type == "boolean":
        if text not in ("true", "false"):
            report.add(
                pointer, "wrong_type", f'input "{column.name}" must be true or false, got {shown(text)}'
            )
        return text == "true"
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        report.add(pointer, "wrong_type", f'input "{column.name}" must be a finite number, got {shown(text)}')
    return number
