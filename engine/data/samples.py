"""Samples: data sets that come with the house, each with its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from engine.data.table import Table
from engine.errors import MOST_PROBLEMS, BadSpec, Problem, escaped
from engine.registry import Registry, UnknownName


@dataclass(frozen=True, slots=True)
class Option:
    """A sample's option: its default and its bounds."""

    default: Any
    minimum: float
    maximum: float
    whole: bool
    help: str

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, if anything."""
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return f"must be {'an integer' if self.whole else 'a number'}"
        if not self.minimum <= value <= self.maximum:
            return f"must lie between {self.minimum:.10g} and {self.maximum:.10g}, got {value}"
        return None


@dataclass(frozen=True, slots=True)
class Sample:
    """A data set by name; `generator` names the function in `engine.data.generators` that makes it."""

    name: str
    generator: str
    help: str
    options: Mapping[str, Option]
    classes: int | None = None


SAMPLES: Registry[Sample] = Registry("sample")

_SEED = Option(1337, 0, 2**32 - 1, whole=True, help="what the random numbers follow from")
_SIZE = Option(200, 4, 1_000_000, whole=True, help="rows")
_NOISE = Option(0.1, 0.0, 10.0, whole=False, help="standard deviation of the noise added to each point")
_DRAWN = {"n_samples": _SIZE, "noise": _NOISE, "random_state": _SEED}


def _sample(name: str, help: str, options: Mapping[str, Option], classes: int | None = None) -> None:  # noqa: A002
    SAMPLES.add(name, Sample(name, name, help, options, classes))


_sample("moons", "two interleaved half circles", _DRAWN, 2)
_sample(
    "circles",
    "a circle inside another",
    _DRAWN | {"factor": Option(0.5, 0.0, 0.99, whole=False, help="radius of the inner circle")},
    2,
)
_sample(
    "blobs",
    "Gaussian clouds, one a class",
    {
        "n_samples": _SIZE,
        "centers": Option(3, 2, 100, whole=True, help="classes"),
        "n_features": Option(2, 1, 100, whole=True, help="columns"),
        "cluster_std": Option(1.0, 0.0, 100.0, whole=False, help="standard deviation of a cloud"),
        "random_state": _SEED,
    },
)
_sample("spirals", "two arms wound around each other", _DRAWN, 2)
_sample("xor", "four corners of a square, opposite ones alike", _DRAWN, 2)
_sample("sine", "a sine curve with noise: a regression", _DRAWN)
_sample("iris", "150 flowers of three species (Fisher 1936)", {})
_sample("wine", "178 wines of three growers", {})
_sample("breast_cancer", "569 tumours, benign or malignant", {})
_sample("digits", "1,797 handwritten digits of 8×8 points", {})
_sample("diabetes", "442 patients and how their illness went on: a regression", {})


def make_sample(name: str, options: Mapping[str, Any]) -> Table:
    """The sample called `name`; raises BadSpec for an unknown name or option, all problems at once."""
    try:
        sample = SAMPLES.get(name)
    except UnknownName as error:
        hint = f'did you mean "{error.suggestion}"?' if error.suggestion else ""
        raise BadSpec([Problem("/sample", "unknown_name", str(error), hint)]) from None
    problems = list(_option_problems(sample, options))
    if problems:
        raise BadSpec(problems)
    # scikit-learn takes a second to import: only who asks for a sample pays for it
    generate: Callable[..., Table] = getattr(import_module("engine.data.generators"), sample.generator)
    defaults = {key: option.default for key, option in sample.options.items()}
    return generate(**(defaults | dict(options)))


def _option_problems(sample: Sample, options: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    for key, value in options.items():
        if len(problems) >= MOST_PROBLEMS:
            break
        pointer = f"/options/{escaped(str(key))}"
        if key == "labels" and sample.classes:
            if not _are_labels(value, sample.classes):
                detail = f"labels must be {sample.classes} different numbers, texts or booleans of one type"
                problems.append(Problem(pointer, "wrong_type", detail))
        elif key not in sample.options:
            known = ", ".join([*sample.options, *(["labels"] if sample.classes else [])]) or "none"
            detail = f'sample {sample.name} has no option "{key}"; its options are {known}'
            problems.append(Problem(pointer, "unknown_field", detail))
        elif (complaint := sample.options[key].problem(value)) is not None:
            problems.append(Problem(pointer, "out_of_range", f"{key} {complaint}"))
    return problems


def _are_labels(value: Any, count: int) -> bool:
    """Whether a value is `count` different JSON scalars of one kind."""
    if not isinstance(value, list) or len(value) != count:
        return False
    kinds = {"number" if type(label) in (int, float) else type(label).__name__ for label in value}
    return len(kinds) == 1 and kinds <= {"number", "str", "bool"} and len(set(value)) == count


def describe_samples() -> list[dict[str, Any]]:
    """Every sample with its options, as `GET /samples` shows them."""
    return [{"name": name, "help": sample.help, "options": _described(sample)} for name, sample in SAMPLES]


def _described(sample: Sample) -> list[dict[str, Any]]:
    options = [
        {
            "name": key,
            "type": "integer" if option.whole else "number",
            "default": option.default,
            "minimum": option.minimum,
            "maximum": option.maximum,
            "help": option.help,
        }
        for key, option in sample.options.items()
    ]
    if sample.classes:
        text = f"renames the {sample.classes} classes"
        options.append(
            {"name": "labels", "type": "array", "default": list(range(sample.classes)), "help": text}
        )
    return options
