"""The training spec: every knob said once, checked against the data, described for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.data.profile import Profile
from engine.errors import BadSpec
from engine.spec.describe import describe_options, spec_schema
from engine.spec.objects import Section
from engine.spec.resolve import Resolution
from engine.spec.rules import Report
from engine.spec.sections import Limits, TrainingSpec

__all__ = ["Limits", "TrainingSpec", "describe_options", "parse_spec", "spec_schema"]


def parse_spec(document: Mapping[str, Any], profile: Profile, limits: Limits = Limits()) -> TrainingSpec:  # noqa: B008 - frozen
    """The full spec for a table, every default filled in; raises BadSpec with all problems at once."""
    report = Report()
    draft: TrainingSpec = Section(TrainingSpec).read(document, "", report)
    spec = Resolution(profile, limits, report).spec(draft)
    if report:
        raise BadSpec(report)
    return spec
