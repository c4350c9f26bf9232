"""The names of a table's columns: there, and each its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.data.reading.cells import Problems

MAX_CHARACTERS = 1_000


def column_names(header: Sequence[object], where: str, problems: Problems) -> list[str]:
    """The names without space around them; raises BadData for empty, long and repeated ones."""
    names = [name.strip() if isinstance(name, str) else "" for name in header]
    for i, name in enumerate(names):
        if not name:
            problems.add("", "empty_name", f"{where}: column {i + 1} has no name", "give every column a name")
        elif len(name) > MAX_CHARACTERS:
            detail = f"{where}: the name of column {i + 1} has {len(name):,} characters"
            problems.add("", "out_of_range", detail, f"give it a name of at most {MAX_CHARACTERS:,}")
    for name, count in Counter(names).items():
        if name and count > 1:
            detail = f'{where}: {count} columns are called "{name}"'
            problems.add("", "duplicate_name", detail, "give every column a name of its own")
    problems.check()
    return names
