"""Rules for JSON values: each reads a value strictly, describes itself, and reports every problem.

A rule is said once and serves the training spec's check, its JSON Schema and the list of options.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from engine.data.reading.names import MAX_CHARACTERS
from engine.errors import MOST_PROBLEMS, Problem
from engine.registry import hint_of

MOST_HINTED = 10


class Unset:
    """The type of UNSET: a knob that was not given, which differs from one given as null."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


def is_unset(value: object) -> bool:
    """Whether a knob was not given."""
    return value is UNSET


class Report(list[Problem]):
    """The first problems of one input, in the order found."""

    @property
    def is_full(self) -> bool:
        """Whether so many problems are noted that no other will be."""
        return len(self) >= MOST_PROBLEMS

    def add(self, pointer: str, code: str, detail: str, hint: str = "") -> None:
        """Notes one problem."""
        if not self.is_full:
            self.append(Problem(pointer, code, detail, hint))

    def hint_of(self, word: str, names: Iterable[str]) -> str:
        """What was probably meant by the word of the next problem: looked for in the first problems only."""
        return hint_of(word, names) if len(self) < MOST_HINTED else ""

    def wrong_type(self, pointer: str, wanted: str, value: object) -> None:
        """Notes that a value is of another JSON type than the one wanted."""
        self.add(pointer, "wrong_type", f"{_last(pointer)} must be {wanted}, got {shown(value)}")


def shown(value: object) -> str:
    """A value for an error text, shortened: the sender knows what they sent."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _last(pointer: str) -> str:
    parts = [part for part in pointer.split("/") if part]
    named = [part for part in parts if not part.isdigit()]
    return ".".join(named[-1:]) or "the value"


def plain(number: float) -> str:
    """A bound for an error text: whole numbers in full, others as short as they read."""
    return f"{number:.0f}" if math.isfinite(number) and number == int(number) else f"{number:g}"


class Rule(Protocol):
    """What a value must be."""

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The value as the engine wants it; on a problem, notes it and returns UNSET."""

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema (2020-12)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number, an integer if `whole`, within bounds (`above` excludes the minimum itself)."""

    minimum: float = -math.inf
    maximum: float = math.inf
    whole: bool = False
    above: bool = False

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The number; integers stay integers only where `whole`."""
        wanted = "an integer" if self.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            report.wrong_type(pointer, wanted, value)
            return UNSET
        if not abs(value) <= sys.float_info.max or (self.whole and value != int(value)):
            report.wrong_type(pointer, wanted if self.whole else "a finite number", value)
            return UNSET
        too_low = value <= self.minimum if self.above else value < self.minimum
        if too_low or value > self.maximum:
            report.add(pointer, "out_of_range", f"{_last(pointer)} must {self._bounds()}, got {shown(value)}")
            return UNSET
        return int(value) if self.whole else float(value)

    def _bounds(self) -> str:
        low, high = plain(self.minimum), plain(self.maximum)
        if self.maximum == math.inf:
            return f"be greater than {low}" if self.above else f"be at least {low}"
        return f"be greater than {low} and at most {high}" if self.above else f"lie between {low} and {high}"

    def schema(self) -> dict[str, Any]:
        """`number` or `integer` with its bounds."""
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        if self.minimum > -math.inf:
            schema["exclusiveMinimum" if self.above else "minimum"] = self.minimum
        if self.maximum < math.inf:
            schema["maximum"] = self.maximum
        return schema


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false."""

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The boolean."""
        if not isinstance(value, bool):
            report.wrong_type(pointer, "true or false", value)
            return UNSET
        return value

    def schema(self) -> dict[str, Any]:
        """`boolean`."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text:
    """Text of bounded length; without control characters, unless `any_signs` are right."""

    max_length: int = 200
    any_signs: bool = False

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The text."""
        if not isinstance(value, str):
            report.wrong_type(pointer, "text", value)
            return UNSET
        if not 0 < len(value) <= self.max_length:
            detail = f"{_last(pointer)} must have 1 to {self.max_length} characters, got {len(value)}"
            report.add(pointer, "out_of_range", detail)
            return UNSET
        if not (self.any_signs or value.isprintable()):
            report.add(pointer, "invalid_text", f"{_last(pointer)} must not hold control characters")
            return UNSET
        return value

    def schema(self) -> dict[str, Any]:
        """`string` with its lengths."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


COLUMN = Text(MAX_CHARACTERS, any_signs=True)  # whatever a file may call it


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some names."""

    kind: str
    names: tuple[str, ...]

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The name."""
        if not isinstance(value, str):
            report.wrong_type(pointer, f"one of {', '.join(self.names)}", value)
            return UNSET
        if value not in self.names:
            detail = f"unknown {self.kind} {shown(value)}; known are {', '.join(self.names)}"
            report.add(pointer, "unknown_name", detail, report.hint_of(value, self.names))
            return UNSET
        return value

    def schema(self) -> dict[str, Any]:
        """`string` with an `enum`."""
        return {"type": "string", "enum": list(self.names)}


@dataclass(frozen=True, slots=True)
class Nullable:
    """What `rule` allows, or null."""

    rule: Rule

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """None for null."""
        return None if value is None else self.rule.read(value, pointer, report)

    def schema(self) -> dict[str, Any]:
        """`anyOf` with `null`."""
        return {"anyOf": [self.rule.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of bounded length, each element under `rule`."""

    rule: Rule
    minimum: int = 0
    maximum: int = 10_000

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """A tuple of what the elements read as, or UNSET if any has a problem."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            report.wrong_type(pointer, "a list", value)
            return UNSET
        if not self.minimum <= len(value) <= self.maximum:
            detail = (
                f"{_last(pointer)} must have {self.minimum} to {self.maximum:,} elements, got {len(value):,}"
            )
            report.add(pointer, "out_of_range", detail)
            return UNSET
        read = tuple(self.rule.read(element, f"{pointer}/{i}", report) for i, element in enumerate(value))
        return UNSET if UNSET in read else read

    def schema(self) -> dict[str, Any]:
        """`array` with its lengths."""
        return {
            "type": "array",
            "items": self.rule.schema(),
            "minItems": self.minimum,
            "maxItems": self.maximum,
        }
