"""Marshmallow fields that take no value for another, and their complaints as problems with pointers."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from typing import Any

import marshmallow
import orjson
from marshmallow import ValidationError, fields

from engine.errors import MOST_PROBLEMS, Problem
from engine.registry import hint_of

_SHOWN = 60  # characters of a wrong value that an error repeats


class Fault(str):
    """The words of one complaint, without the field's name that goes before them, with code and hint."""

    code: str
    hint: str

    def __new__(cls, code: str, words: str, hint: str = "") -> "Fault":
        fault = super().__new__(cls, words)
        fault.code, fault.hint = code, hint
        return fault


class Schema(marshmallow.Schema):
    """A schema that keeps its order and names the field that was probably meant by an unknown one."""

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:  # noqa: ARG002 - the hook's signature
        """Replaces the library's words for what concerns the whole object."""
        if isinstance(error.messages, dict):
            names = [field.data_key or name for name, field in self.load_fields.items()]
            error.messages = {
                key: self._reworded(str(key), value, names, data)
                for key, value in islice(error.messages.items(), MOST_PROBLEMS)
            }

    def _reworded(self, key: str, messages: Any, names: list[str], data: Any) -> Any:
        if messages == [self.error_messages["unknown"]]:
            return [unknown_name(key, names)]
        if key == "_schema" and messages == [self.error_messages["type"]]:
            return [Fault("wrong_type", f"must be an object, got {shown(data)}")]
        return messages


class Answer(Schema):
    """A schema of what is sent out: clients allow members that they do not know."""

    class Meta:
        unknown = marshmallow.EXCLUDE

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """A document's member or an object's attribute; the library tries both, a fifth of all its work."""
        return obj.get(attr, default) if isinstance(obj, dict) else getattr(obj, attr, default)


def unknown_name(name: str, names: Sequence[str]) -> Fault:
    """The complaint about a name that nobody knows, with the one that was probably meant."""
    return Fault("unknown_field", f"is unknown; known are {', '.join(names)}", hint_of(name, names))


def shown(value: Any) -> str:
    """A wrong value as an error repeats it: as JSON, and short."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = type(value).__name__
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Strict(fields.Field[Any]):
    """What the strict fields share: refusals as Faults."""

    wanted = "a value"

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        if key == "required":
            return ValidationError([Fault("missing_field", "is required")])
        if key == "null":
            return ValidationError([Fault("wrong_type", f"must be {self.wanted}, got null")])
        return ValidationError(
            [Fault("wrong_type", f"must be {self.wanted}, got {shown(kwargs.get('input'))}")]
        )


class _Bounded(_Strict):
    """A number with bounds, which the OpenAPI document shows too."""

    def __init__(self, *, minimum: float | None = None, maximum: float | None = None, **options: Any) -> None:
        bounds = {"minimum": minimum, "maximum": maximum}
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        super().__init__(metadata={**known, **options.pop("metadata", {})}, **options)
        self.minimum, self.maximum = minimum, maximum

    def check_bounds(self, value: float) -> None:
        """Raises ValidationError for a number out of bounds."""
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and not low <= value <= high:
            raise ValidationError(
                [Fault("out_of_range", f"must lie between {low} and {high}, got {shown(value)}")]
            )
        if low is not None and value < low:
            raise ValidationError([Fault("out_of_range", f"must be at least {low}, got {shown(value)}")])


class StrictInt(_Bounded, fields.Integer):
    """A JSON integer: no 2.0, no "3", no true."""

    wanted = "an integer"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:  # noqa: ARG002 - the hook's signature
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        self.check_bounds(value)
        return value


class QueryInt(StrictInt):
    """An integer in a query string, where all values are text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        digits = value.removeprefix("-") if isinstance(value, str) else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(int(value), attr, data, **kwargs)


class StrictFloat(_Bounded, fields.Float):
    """A finite JSON number: no "3", no true."""

    wanted = "a finite number"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:  # noqa: ARG002 - the hook's signature
        if type(value) not in (int, float) or not isfinite(value):
            raise self.make_error("invalid", input=value)
        self.check_bounds(value)
        return float(value)


class QueryFloat(StrictFloat):
    """A finite number in a query string, where all values are text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self.make_error("invalid", input=value) from None
        if "_" in value:  # Python's own notation, nobody else's
            raise self.make_error("invalid", input=value)
        return super()._deserialize(number, attr, data, **kwargs)


class StrictBool(_Strict, fields.Boolean):
    """A JSON true or false and nothing that resembles them."""

    wanted = "true or false"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:  # noqa: ARG002 - the hook's signature
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


# Controls, and what is not seen but changes what is: zero widths, directions, line ends, tags (UTS 39).
_TAGS = f"{chr(0xE0000)}-{chr(0xE007F)}"
_UNSEEN = rf"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb{_TAGS}"
VISIBLE = f"^[^{_UNSEEN}]*$"
_visible = re.compile(VISIBLE.replace("$", r"\Z"))


class Text(_Strict, fields.String):
    """A line of text of bounded length, all of it to be seen; `choices` bounds it further."""

    wanted = "a string"

    def __init__(
        self, *, most: int = 255, least: int = 1, choices: Sequence[str] = (), **options: Any
    ) -> None:
        bounds: dict[str, Any] = (
            {"enum": list(choices)}
            if choices
            else {"minLength": least, "maxLength": most, "pattern": VISIBLE}
        )
        super().__init__(metadata={**bounds, **options.pop("metadata", {})}, **options)
        self.least, self.most, self.choices = least, most, tuple(choices)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 - the hook's signature
        if not isinstance(value, str):
            raise self.make_error("invalid", input=value)
        if self.choices and value not in self.choices:
            raise ValidationError([self._unknown(value)])
        if not self.least <= len(value) <= self.most:
            words = f"must have {self.least} to {self.most} characters, got {len(value)}"
            raise ValidationError([Fault("out_of_range", words)])
        if not _visible.match(value):
            words = "must not hold control characters, nor others that cannot be seen"
            raise ValidationError([Fault("invalid_text", words)])
        return value

    def _unknown(self, value: str) -> Fault:
        words = f"must be one of {', '.join(self.choices)}, got {shown(value)}"
        return Fault("unknown_value", words, hint_of(value, self.choices))


class Object(_Strict, fields.Dict):
    """A JSON object whose content someone else checks."""

    wanted = "an object"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG002 - the hook's signature
        if not isinstance(value, dict):
            raise self.make_error("invalid", input=value)
        return value


class Anything(_Strict, fields.Raw):
    """Any JSON value, which someone else checks."""


class Array(_Strict, fields.List[Any]):
    """A JSON array whose items someone else checks."""

    wanted = "an array"

    def __init__(self, **options: Any) -> None:
        super().__init__(fields.Raw(), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:  # noqa: ARG002 - the hook's signature
        if not isinstance(value, list):
            raise self.make_error("invalid", input=value)
        return value  # not item by item: this may be a dataset


class Moment(fields.DateTime):
    """A moment in UTC as RFC 3339 writes it."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:  # noqa: ARG002 - the hook's signature
        return None if value is None else moment(value)


def moment(value: datetime) -> str:
    """A moment in UTC as RFC 3339 writes it, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def load(schema: Schema, document: Any) -> tuple[dict[str, Any], list[Problem]]:
    """What the document holds by `schema`, and all its problems; what is wrong is left out of the first."""
    try:
        return dict(schema.load(document)), []
    except ValidationError as error:
        valid = error.valid_data if isinstance(error.valid_data, dict) else {}
        return valid, problems_of(error.messages)


def problems_of(messages: Any, pointer: str = "") -> list[Problem]:
    """Marshmallow's nested messages as a flat list of problems, each with its JSON pointer."""
    if isinstance(messages, Mapping):
        found = (problems_of(value, _deeper(pointer, str(key))) for key, value in messages.items())
        return [problem for problems in found for problem in problems]
    return [_problem(pointer, words) for words in messages]


def _deeper(pointer: str, key: str) -> str:
    return pointer if key == "_schema" else f"{pointer}/{escape(key)}"


def escape(token: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def _problem(pointer: str, words: str) -> Problem:
    name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~") or "the body"
    fault = words if isinstance(words, Fault) else Fault("invalid", words)
    return Problem(pointer, fault.code, f"{_short(name)} {fault}", fault.hint)
