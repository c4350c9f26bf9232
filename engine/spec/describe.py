"""The spec described: as JSON Schema for programs, as a list of knobs for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.nn.activations import ACTIVATIONS
from engine.nn.initializers import INITIALIZERS
from engine.nn.losses import LOSSES
from engine.nn.optimizers import OPTIMIZERS
from engine.nn.schedules import SCHEDULES
from engine.spec.families import INIT, OPTIMIZER, SCHEDULE
from engine.spec.objects import Family, Knob, Section, knobs_of, object_schema
from engine.spec.sections import TASKS, HiddenLayer, TrainingSpec


def spec_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12, as in OpenAPI 3.1) of a training spec as a client sends it."""
    return object_schema(knobs_of(TrainingSpec), required=("target",))


def describe_options() -> dict[str, Any]:
    """Every name that a spec may use and every knob with its rule, default and help."""
    return {
        "tasks": list(TASKS),
        "activations": _helped({name: f.__doc__ for name, f in ACTIVATIONS}),
        "losses": [
            {"name": name, "help": loss.help, "tasks": list(loss.tasks), "targets": loss.targets}
            for name, loss in LOSSES
        ],
        "optimizers": _family(OPTIMIZER, {name: o.help for name, o in OPTIMIZERS}),
        "schedules": _family(SCHEDULE, {name: f.__doc__ for name, f in SCHEDULES}),
        "init_schemes": _family(INIT, {name: f.__doc__ for name, f in INITIALIZERS}),
        "knobs": _knobs(knobs_of(TrainingSpec)) + _knobs(knobs_of(HiddenLayer), "model.hidden_layers[]."),
    }


def _helped(docs: Mapping[str, str | None]) -> list[dict[str, Any]]:
    return [{"name": name, "help": _first_line(doc)} for name, doc in docs.items()]


def _first_line(doc: str | None) -> str:
    return (doc or "").partition("\n")[0]


def _family(family: Family, docs: Mapping[str, str | None]) -> list[dict[str, Any]]:
    return [
        {"name": name, "help": _first_line(docs[name]), "knobs": _knobs(knobs)}
        for name, knobs in family.members.items()
    ]


def _knobs(knobs: Mapping[str, Knob], prefix: str = "") -> list[dict[str, Any]]:
    """The knobs one after the other, those of sections by their path."""
    rows = []
    for name, knob in knobs.items():
        if isinstance(knob.rule, Section):
            rows += _knobs(knobs_of(knob.rule.of), f"{prefix}{name}.")
            continue
        schema = knob.schema()
        rows.append({"path": prefix + name, "help": schema.pop("description"), **schema})
    return rows
