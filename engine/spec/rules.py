"""Rules for JSON values: each reads a value strictly, describes itself, and reports every problem.

A rule is said once and serves the training spec's check, its JSON Schema and the list of options.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from engine.errors import Problem
from engine.registry import did_you_mean


class Unset:
    """The type of UNSET: a knob that was not given, which differs from one given as null."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class Report(list[Problem]):
    """The problems of one input, in the order found."""

    def add(self, pointer: str, code: str, detail: str, hint: str = "") -> None:
        """Notes one problem."""
        self.append(Problem(pointer, code, detail, hint))

    def wrong_type(self, pointer: str, wanted: str, value: object) -> None:
        """Notes that a value is of another JSON type than the one wanted."""
        self.add(pointer, "wrong_type", f"{_last(pointer)} must be {wanted}, got {shown(value)}")


def shown(value: object) -> str:
    """A value for an error text, shortened: the sender knows what they sent."""
    text = {None: "null", True: "true", False: "false"}.get(value) if _is_word(value) else None
    text = text or (f'"{value}"' if isinstance(value, str) else repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _is_word(value: object) -> bool:
    return value is None or isinstance(value, bool)


def _last(pointer: str) -> str:
    parts = [part for part in pointer.split("/") if part]
    named = [part for part in parts if not part.isdigit()]
    return ".".join(named[-1:]) or "the value"


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
        if not math.isfinite(value) or (self.whole and value != int(value)):
            report.wrong_type(pointer, wanted if self.whole else "a finite number", value)
            return UNSET
        too_low = value <= self.minimum if self.above else value < self.minimum
        if too_low or value > self.maximum:
            report.add(pointer, "out_of_range", f"{_last(pointer)} must {self._bounds()}, got {shown(value)}")
            return UNSET
        return int(value) if self.whole else float(value)

    def _bounds(self) -> str:
        low, high = f"{self.minimum:.15g}", f"{self.maximum:.15g}"
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
    """Text of bounded length without control characters."""

    max_length: int = 200

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The text."""
        if not isinstance(value, str):
            report.wrong_type(pointer, "text", value)
            return UNSET
        if not 0 < len(value) <= self.max_length:
            detail = f"{_last(pointer)} must have 1 to {self.max_length} characters, got {len(value)}"
            report.add(pointer, "out_of_range", detail)
            return UNSET
        if not value.isprintable():
            report.add(pointer, "invalid_text", f"{_last(pointer)} must not hold control characters")
            return UNSET
        return value

    def schema(self) -> dict[str, Any]:
        """`string` with its lengths."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


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
            hint = f'did you mean "{near}"?' if (near := did_you_mean(value, self.names)) else ""
            detail = f"unknown {self.kind} {shown(value)}; known are {', '.join(self.names)}"
            report.add(pointer, "unknown_name", detail, hint)
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
            detail = f"{_last(pointer)} must have {self.minimum} to {self.maximum:,} elements, got {len(value):,}"
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


@dataclass(frozen=True, slots=True)
class Knob:
    """A member of an object: its rule, its default (UNSET: found later, from the data) and its help."""

    rule: Rule
    default: Any
    help: str

    def schema(self) -> dict[str, Any]:
        """The rule's schema with help and, where it is fixed, the default."""
        schema = self.rule.schema() | {"description": self.help}
        if isinstance(self.default, Unset) or dataclasses.is_dataclass(self.default):
            return schema
        return schema | {"default": list(self.default) if isinstance(self.default, tuple) else self.default}


def read_knobs(knobs: Mapping[str, Knob], value: Any, pointer: str, report: Report) -> dict[str, Any]:
    """Every knob's value: the one given, or the default; a bad one is reported and left UNSET.

    Members that are no knobs are reported, with the name probably meant.
    """
    if not isinstance(value, Mapping):
        report.wrong_type(pointer, "an object", value)
        return dict.fromkeys(knobs, UNSET)
    for name in value:
        if name not in knobs:
            hint = f'did you mean "{near}"?' if (near := did_you_mean(str(name), knobs)) else ""
            detail = f"unknown field {shown(name)}; known are {', '.join(knobs)}"
            report.add(f"{pointer}/{escaped(str(name))}", "unknown_field", detail, hint)
    return {
        name: knob.rule.read(value[name], f"{pointer}/{name}", report) if name in value else knob.default
        for name, knob in knobs.items()
    }


def escaped(member: str) -> str:
    """A member's name as a part of a JSON pointer (RFC 6901, section 3)."""
    return member.replace("~", "~0").replace("/", "~1")


def object_schema(knobs: Mapping[str, Knob], required: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON Schema of an object with these knobs and nothing else."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: knob.schema() for name, knob in knobs.items()},
        "additionalProperties": False,
    }
    return schema | {"required": list(required)} if required else schema


@dataclass(frozen=True, slots=True)
class Section:
    """An object whose members are the knobs of a frozen dataclass."""

    of: Callable[..., Any]

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """The dataclass; members with problems keep the dataclass's own default."""
        read = read_knobs(knobs_of(self.of), value, pointer, report)
        return self.of(**{name: v for name, v in read.items() if v is not UNSET})

    def schema(self) -> dict[str, Any]:
        """The object's schema."""
        return object_schema(knobs_of(self.of))


@dataclass(frozen=True, slots=True)
class Choice:
    """A member of a family, such as the optimizer adam, with the values of its knobs."""

    name: str
    knobs: Mapping[str, Any]

    def __getitem__(self, knob: str) -> Any:
        return self.knobs[knob]


@dataclass(frozen=True, slots=True)
class Family:
    """An object that names one of several things under `key` and sets that thing's own knobs.

    The first of `members` is meant where none is named; the name alone may stand for the object.
    """

    kind: str
    members: Mapping[str, Mapping[str, Knob]]
    key: str = "name"

    def read(self, value: Any, pointer: str, report: Report) -> Any:
        """A Choice, its bad knobs at their defaults; UNSET where the name is bad."""
        value = {self.key: value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            report.wrong_type(pointer, f"an object with a {self.key}", value)
            return UNSET
        default = next(iter(self.members))
        rule = OneOf(self.kind, tuple(self.members))
        name = rule.read(value.get(self.key, default), f"{pointer}/{self.key}", report)
        if name is UNSET:
            return UNSET
        knobs, rest = self.members[name], {k: v for k, v in value.items() if k != self.key}
        before = len(report)
        read = read_knobs(knobs, rest, pointer, report)
        report[before:] = [_belonging(problem, f"{self.kind} {name}") for problem in report[before:]]
        return Choice(name, {k: knobs[k].default if v is UNSET else v for k, v in read.items()})

    def default(self) -> Choice:
        """The first member with its knobs at their defaults."""
        return self.read({}, "", Report())  # type: ignore[no-any-return]  # an empty object has no problems

    def schema(self) -> dict[str, Any]:
        """`oneOf`, an object for each member."""
        return {"oneOf": [self._member_schema(name) for name in self.members]}

    def _member_schema(self, name: str) -> dict[str, Any]:
        schema = object_schema(self.members[name])
        schema["properties"] = {self.key: {"type": "string", "const": name}} | schema["properties"]
        return schema if name == next(iter(self.members)) else schema | {"required": [self.key]}


def _belonging(problem: Problem, to: str) -> Problem:
    """An unknown field's problem, naming the member that does not have it."""
    if problem.code != "unknown_field":
        return problem
    return dataclasses.replace(problem, detail=f"{to} has no such knob: {problem.detail}")


def knob(rule: Rule, default: Any, help: str) -> Any:  # noqa: A002 - what it is called everywhere else
    """A dataclass field that carries its knob; the field's default is the knob's."""
    return field(default=default, metadata={"knob": Knob(rule, default, help)})


def knobs_of(section: Callable[..., Any]) -> dict[str, Knob]:
    """The knobs of a dataclass, in order."""
    return {f.name: f.metadata["knob"] for f in dataclasses.fields(section) if "knob" in f.metadata}  # type: ignore[arg-type]  # every section is a dataclass
