"""Columns and datasets with a part other than feature or target: who says the split, who says the weights."""

from __future__ import annotations

from dataclasses import replace

from engine.data.fitting.splits import SPLIT_WORDS, split_word
from engine.data.profile import ColumnProfile, Profile
from engine.errors import Problem
from engine.spec.rules import Report, is_unset, shown
from engine.spec.sections import Split, TrainingSpec

ROWS_WORTH_A_SPLIT = 10


def resolved_split(draft: Split, profile: Profile, report: Report) -> Split:
    """A fifth of the rows held back by default; of very few rows, or where something else decides, none."""
    deciders = [name for name in ("column", "dataset_id", "folds") if getattr(draft, name) is not None]
    if not is_unset(draft.validation) and draft.validation > 0.0:
        deciders.insert(0, "validation")
    if len(deciders) > 1:
        detail = f"the split follows from one of its members, got {' and '.join(deciders)}"
        report.add("/split", "ambiguous_source", detail, f"give {deciders[-1]} alone")
    rows = profile.row_count
    if is_unset(draft.validation):
        share = 0.2 if rows >= ROWS_WORTH_A_SPLIT and not deciders else 0.0
        draft = replace(draft, validation=share)
    held_back = round(draft.validation * rows)
    if draft.validation > 0.0 and not 1 <= held_back < rows:
        detail = f"validation {draft.validation:g} of {rows} rows would hold back {held_back}"
        report.add("/split/validation", "out_of_range", detail, "hold back at least 1 row and leave 1")
    if draft.folds is not None and draft.folds > rows:
        detail = f"folds must be at most the {rows} rows, got {draft.folds}"
        report.add("/split/folds", "out_of_range", detail, "use fewer folds")
    return draft


def check_split_column(column: ColumnProfile, report: Report) -> None:
    """Refuses a split column that leaves a row's part open, or a part without rows."""
    pointer = "/split/column"
    known = f"use {', '.join(SPLIT_WORDS)}, or true for validation and false for training"
    if column.type == "number":
        detail = f'split column "{column.name}" holds numbers, which name no part'
        report.add(pointer, "wrong_type", detail, known)
        return
    if column.missing:
        detail = f'split column "{column.name}" is empty in {column.missing} rows'
        report.add(pointer, "missing_values", detail, "say a part for every row")
    if column.distinct > len(column.categories):  # more than a profile lists
        detail = f'split column "{column.name}" holds {column.distinct:,} words, and few name a part'
        report.add(pointer, "unknown_name", detail, known)
        return
    parts = set()
    for value, _ in column.categories:
        part = split_word(value)
        parts.add(part)
        if part is None:
            detail = f'split column "{column.name}" holds {shown(value)}, which names no part'
            report.add(pointer, "unknown_name", detail, known)
            return
    for part in ("train", "validation"):
        if part not in parts:
            report.add(pointer, "no_rows", f'split column "{column.name}" says {part} in no row', known)


def check_weight_column(column: ColumnProfile, report: Report) -> None:
    """Refuses weights that are no numbers, not there, negative, or all 0."""
    pointer = "/weight_column"
    if column.type != "number":
        detail = f'weight column "{column.name}" is a {column.type}, weights are numbers'
        report.add(pointer, "wrong_type", detail, "choose a column of numbers of 0 or more")
    elif column.missing:
        detail = f'weight column "{column.name}" is empty in {column.missing} rows'
        report.add(pointer, "missing_values", detail, "give every row a weight; 0 leaves it out")
    elif column.min is not None and column.max is not None and (column.min < 0.0 or column.max <= 0.0):
        detail = f'weights of "{column.name}" lie between {column.min:g} and {column.max:g}'
        report.add(pointer, "out_of_range", detail, "weights are 0 or more, and one is more than 0")


def check_roles(spec: TrainingSpec, report: Report) -> None:
    """Refuses a column that is to have two parts at once."""
    roles = {"target": spec.target, "split.column": spec.split.column, "weight_column": spec.weight_column}
    for role in ("split.column", "weight_column"):
        name = roles[role]
        if name is None:
            continue
        others = [other for other, its in roles.items() if other != role and its == name]
        if name in spec.features:
            others.append("features")
        if others:
            pointer = f"/{role.replace('.', '/')}"
            detail = f'column "{name}" cannot be {role} and in {others[0]} at once'
            report.add(pointer, "duplicate_name", detail, "choose another column, or leave it out there")


def validation_problems(spec: TrainingSpec, other: Profile) -> list[Problem]:
    """Why another table cannot validate this training: columns that lack or differ."""
    problems = []
    for name in (*spec.features, spec.target):
        column = other.column(name)
        if column is None:
            detail = f'the validation dataset has no column "{name}"'
            problems.append(
                Problem("/split/dataset_id", "unknown_column", detail, "upload it with the column")
            )
    target = other.column(spec.target)
    if target is not None and target.missing:
        detail = f'target "{spec.target}" is empty in {target.missing} rows of the validation dataset'
        problems.append(Problem("/split/dataset_id", "missing_values", detail, "remove these rows"))
    return problems
