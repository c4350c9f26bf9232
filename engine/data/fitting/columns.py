"""A second table under an encoding fitted on a first: are its columns there, of the type, of known values?"""

from __future__ import annotations

import numpy as np

from engine.data.fitting.preprocessing import Encoding, Input
from engine.data.table import Column, Table
from engine.errors import BadData, Problem
from engine.registry import hint_of

MAX_PROBLEMS = 20


def checked_table(encoding: Encoding, table: Table, *, with_target: bool = True, first_row: int = 0) -> Table:
    """The table with its columns as the encoding reads them; raises BadData with the first problems.

    An empty column takes the type that is asked of it. `first_row` is where a part of a longer table begins.
    """
    problems: list[Problem] = []
    columns = []
    for each in encoding.inputs:
        if len(problems) >= MAX_PROBLEMS:
            break
        column = _found(table, each.name, problems)
        if column is not None:
            columns.append(_fitting(each, column, problems, first_row))
    if with_target and (target := _found(table, encoding.target.name, problems)) is not None:
        columns.append(target)
        problems += _target_problems(encoding, target)
    if problems:
        raise BadData(problems[:MAX_PROBLEMS])
    return Table(tuple(columns), table.row_count)


def _found(table: Table, name: str, problems: list[Problem]) -> Column | None:
    column = next((each for each in table.columns if each.name == name), None)
    if column is None:
        near = hint_of(name, table.names)
        hint = f"{near} Columns go by their names" if near else "upload it with this column"
        problems.append(Problem("/dataset_id", "unknown_column", f'the dataset has no column "{name}"', hint))
    return column


def _fitting(each: Input, column: Column, problems: list[Problem], first_row: int) -> Column:
    missing = column.is_missing
    if missing.any() and each.fill is None and not (each.type == "category" and each.ignore_unknown):
        detail = (
            f'column "{each.name}" is empty in row {first_row + int(missing.argmax()) + 1}; '
            "the model knows nothing to fill in"
        )
        problems.append(Problem("/dataset_id", "missing_values", detail, "fill the gaps, or drop these rows"))
    if missing.all():
        empty = np.full(len(missing), -1) if each.type == "category" else np.full(len(missing), np.nan)
        return Column(each.name, each.type, empty)
    if column.type != each.type:
        detail = f'column "{each.name}" holds {column.type} values, the model reads {each.type}'
        hint = f'upload it with types {{"{each.name}": "{each.type}"}}'
        problems.append(Problem("/dataset_id", "wrong_type", detail, hint))
    elif each.type == "category" and not each.ignore_unknown:
        known = set(each.known)
        unknown = [category for category in column.categories if category not in known]
        for category in unknown[:MAX_PROBLEMS]:
            detail = f'column "{each.name}" holds "{category}", which was not there in training'
            hint = hint_of(category, each.known) or 'train with unknown_category "ignore"'
            problems.append(Problem("/dataset_id", "unknown_category", detail, hint))
    return column


def _target_problems(encoding: Encoding, column: Column) -> list[Problem]:
    target, name = encoding.target, encoding.target.name
    if column.is_missing.any():
        detail = f'target "{name}" is empty in {int(column.is_missing.sum())} rows'
        return [Problem("/dataset_id", "missing_values", detail, "remove these rows or fill them in")]
    if target.classes is None:
        if column.type != "number":
            detail = f'target "{name}" holds {column.type} values, the model predicts numbers'
            return [Problem("/dataset_id", "wrong_type", detail)]
        return []
    values = set(column.categories if column.type == "category" else np.unique(column.values).tolist())
    return [
        Problem(
            "/dataset_id", "unknown_class", f'target "{name}" holds {value}, the model knows no such class'
        )
        for value in sorted(values - set(target.classes), key=str)[:MAX_PROBLEMS]
    ]
