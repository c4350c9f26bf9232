"""How a file is to be read: bounds, what stands for nothing, types that the user decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.data.profile import ColumnType
from engine.data.reading.cells import Problems
from engine.errors import BadData, escaped
from engine.registry import hint_of

NULLS = frozenset({"", "NA", "N/A", "null", "None", "?", "-"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a table may be."""

    max_rows: int = 5_000_000
    max_columns: int = 10_000
    max_cells: int = 200_000_000

    def check(self, rows: int, columns: int, cells: int) -> None:
        """Raises BadData for a table beyond any of the bounds."""
        for what, count, bound in (
            ("rows", rows, self.max_rows),
            ("columns", columns, self.max_columns),
            ("cells", cells, self.max_cells),
        ):
            if count > bound:
                raise BadData.because(
                    f"the table has more than {bound:,} {what}",
                    code="too_large",
                    hint=f"send at most {bound:,} {what}",
                )


@dataclass(frozen=True, slots=True)
class Reading:
    """`types` are columns' types where the user decides; `nulls` are the texts that mean a missing cell."""

    types: Mapping[str, ColumnType] = field(default_factory=dict)
    nulls: frozenset[str] = NULLS

    def check_names(self, names: Sequence[str]) -> None:
        """Raises BadData where `types` names a column that is not there."""
        problems = Problems()
        for name in self.types:
            if name not in names:
                detail = f'types names "{name}", and there is no such column'
                problems.add(f"/types/{escaped(name)}", "unknown_column", detail, hint_of(name, names))
        problems.check()


USUAL_BOUNDS = Bounds()
USUAL_READING = Reading()
