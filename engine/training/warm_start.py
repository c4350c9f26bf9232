"""Going on from a trained model: whether a spec may."""

from __future__ import annotations

from engine.errors import Problem
from engine.models.model import TrainedModel
from engine.spec.sections import TrainingSpec


def start_problems(spec: TrainingSpec, model: TrainedModel) -> list[Problem]:
    """What keeps a training from beginning with a model's parameters, each by its pointer."""
    before, problems = model.spec, []
    facts = {
        "/target": (spec.target, before.target),
        "/features": (list(spec.features), list(before.features)),
        "/task": (spec.task, before.task),
        "/model/hidden_layers": (
            [(each.units, each.activation) for each in spec.model.hidden_layers],
            [(each.units, each.activation) for each in before.model.hidden_layers],
        ),
        "/model/output_activation": (spec.model.output_activation, before.model.output_activation),
    }
    for pointer, (asked, there) in facts.items():
        if asked != there:
            detail = f"the model of init_from has {there} here, got {asked}"
            problems.append(Problem(pointer, "wrong_start", detail[:500], "Give what the model has."))
    if spec.split.folds is not None:
        detail = "a cross-validation cannot start from a model: it has seen the rows that are held back"
        problems.append(Problem("/init_from", "wrong_start", detail, "Leave out one of the two."))
    return problems
