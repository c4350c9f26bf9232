"""The families' knobs have PyTorch's defaults and belong to members that exist."""

import pytest

from engine.nn.initializers import INITIALIZERS
from engine.nn.optimizers import OPTIMIZERS
from engine.nn.schedules import SCHEDULES
from engine.spec.families import INIT, OPTIMIZER, SCHEDULE
from engine.spec.objects import Choice
from engine.spec.rules import Report


def test_families_and_registries_have_the_same_members() -> None:
    assert set(INIT.members) == set(INITIALIZERS.names())
    assert set(OPTIMIZER.members) == set(OPTIMIZERS.names())
    assert set(SCHEDULE.members) == set(SCHEDULES.names())


@pytest.mark.parametrize(
    ("optimizer", "knob", "default"),
    [
        # torch 2.13.0, the signatures of torch.optim
        ("sgd", "momentum", 0.0),
        ("sgd", "nesterov", False),
        ("sgd", "weight_decay", 0.0),
        ("adam", "betas", (0.9, 0.999)),
        ("adam", "eps", 1e-8),
        ("adam", "weight_decay", 0.0),
        ("adamw", "betas", (0.9, 0.999)),
        ("adamw", "eps", 1e-8),
        ("adamw", "weight_decay", 0.01),
        ("rmsprop", "alpha", 0.99),
        ("rmsprop", "eps", 1e-8),
        ("rmsprop", "momentum", 0.0),
        ("rmsprop", "weight_decay", 0.0),
        ("adagrad", "eps", 1e-10),
        ("adagrad", "initial_accumulator_value", 0.0),
        ("adagrad", "weight_decay", 0.0),
    ],
)
def test_knobs_have_pytorchs_defaults(optimizer: str, knob: str, default: object) -> None:
    assert OPTIMIZER.members[optimizer][knob].default == default


def test_every_default_is_within_its_own_bounds() -> None:
    for family in (INIT, OPTIMIZER, SCHEDULE):
        for name, knobs in family.members.items():
            report = Report()
            given = {knob: rule.default for knob, rule in knobs.items()}
            assert family.read({family.key: name, **given}, "", report) == Choice(name, given)
            assert not report
