"""Rules for JSON objects: knobs with defaults and help, sections of them, families to choose from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from engine.errors import Problem, escaped
from engine.spec.rules import UNSET, OneOf, Report, Rule, Unset, shown


@dataclass(frozen=True, slots=True)
class Knob:
    """A member of an object: its rule, its default (UNSET: found later, from the data) and its help."""

    rule: Rule
    default: Any
    help: str

    def schema(self) -> dict[str, Any]:
        """The rule's schema with help and, where it is fixed, the default."""
        schema = self.rule.schema() | {"description": self.help}
        if isinstance(self.default, Choice):
            return schema | {"default": self.default.name}
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
        if report.is_full:
            break
        if name not in knobs:
            hint = report.hint_of(str(name), knobs)
            detail = f"unknown field {shown(name)}; known are {', '.join(knobs)}"
            report.add(f"{pointer}/{escaped(str(name))}", "unknown_field", detail, hint)
    return {
        name: knob.rule.read(value[name], f"{pointer}/{name}", report) if name in value else knob.default
        for name, knob in knobs.items()
    }


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
        rest = {k: v for k, v in value.items() if k != self.key}
        if name is UNSET:  # all problems at once: what no member has is wrong whichever was meant
            read_knobs(self._every_knob(), rest, pointer, report)
            return UNSET
        knobs = self.members[name]
        before = len(report)
        read = read_knobs(knobs, rest, pointer, report)
        report[before:] = [_belonging(problem, f"{self.kind} {name}") for problem in report[before:]]
        return Choice(name, {k: knobs[k].default if v is UNSET else v for k, v in read.items()})

    def _every_knob(self) -> dict[str, Knob]:
        """The knobs of all members; where several have one, the first member's."""
        return {name: knob for knobs in reversed(list(self.members.values())) for name, knob in knobs.items()}

    def default(self) -> Choice:
        """The first member with its knobs at their defaults."""
        return self.read({}, "", Report())  # type: ignore[no-any-return]  # an empty object has no problems

    def schema(self) -> dict[str, Any]:
        """`oneOf`: a name, or an object for each member."""
        name = OneOf(self.kind, tuple(self.members)).schema()
        return {"oneOf": [name, *map(self._member_schema, self.members)]}

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


def knobs_of(section: Callable[..., Any]) -> Mapping[str, Knob]:
    """The knobs of a dataclass, in order."""
    return _knobs_of(section)


@cache  # behind a function of its own, for a cached one is typed as taking anything hashable
def _knobs_of(section: Callable[..., Any]) -> Mapping[str, Knob]:
    return {f.name: f.metadata["knob"] for f in dataclasses.fields(section) if "knob" in f.metadata}  # type: ignore[arg-type]  # every section is a dataclass
