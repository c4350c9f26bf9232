"""Shapes: what makes another program, and what only makes another run of it."""

from dataclasses import fields, replace
from typing import Any

import pytest

from engine.autograd.expression import parse_loss
from engine.compiler.jit import host
from engine.compiler.programs.shape import ProgramShape, structure, variables
from engine.compiler.programs.training import Program
from engine.execution.compiled.memory import shape_of
from engine.nn.losses import LOSSES, Loss
from tests.engine.compiler.plans import make_plan, optimizer


def test_numbers_of_knobs_and_rows_do_not_change_the_shape() -> None:
    plan, _ = make_plan([3, 4, 1], batch=8, choice=optimizer("adam", learning_rate=0.1), rows=50)
    other, _ = make_plan(
        [3, 4, 1], batch=8, choice=optimizer("adam", learning_rate=0.2, betas=(0.5, 0.7)), rows=60
    )
    assert shape_of(plan) == shape_of(other)
    assert hash(shape_of(plan)) == hash(shape_of(other))


def test_what_changes_a_formula_changes_the_shape() -> None:
    plan, _ = make_plan([3, 4, 1], choice=optimizer("sgd"))
    decayed, _ = make_plan([3, 4, 1], choice=optimizer("sgd", weight_decay=0.1))
    assert shape_of(plan) != shape_of(decayed)
    assert shape_of(plan) != shape_of(replace(plan, batch_size=7))
    assert shape_of(plan) != shape_of(replace(plan, precision="float32"))


def test_knobs_fall_into_structure_and_variables() -> None:
    knobs = {
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "clip_norm": None,
        "betas": (0.9, 0.0),
        "eps": 1e-8,
        "on": True,
    }
    assert variables(knobs) == [0.9, 0.0, 1e-8]
    shape = dict(structure(knobs))
    assert "learning_rate" not in shape
    assert shape["weight_decay"] == 0.0
    assert shape["clip_norm"] is None
    assert shape["on"] is True
    assert shape["betas"] == (0.5, 0.5)


def test_padding_is_guarded_only_where_an_update_could_divide_0_by_0() -> None:
    guarded, _ = make_plan([3, 4, 1], choice=optimizer("adam", eps=0.0))
    plain, _ = make_plan([3, 4, 1], choice=optimizer("adam"))
    assert shape_of(guarded).guarded
    assert not shape_of(plain).guarded


CHANGES: dict[str, Any] = {
    "layers": lambda shape: (replace(shape.layers[0], dropout=0.25), *shape.layers[1:]),
    "loss": lambda _: LOSSES.get("huber"),
    "kind": lambda _: "regression",
    "watched": lambda _: "train_accuracy",
    "optimizer": lambda _: "adamw",
    "knobs": lambda shape: (*shape.knobs[:-1], (shape.knobs[-1][0], "other")),
    "batch": lambda _: 9,
    "shuffled": lambda _: False,
    "weighted": lambda _: True,
    "validated": lambda _: True,
    "precision": lambda _: "float32",
}


@pytest.mark.parametrize("field", [field.name for field in fields(ProgramShape)])
def test_a_recipe_tells_every_part_of_a_shape(field: str) -> None:
    shape = shape_of(make_plan([3, 4, 1], batch=8, choice=optimizer("adam"))[0])
    assert shape.recipe == replace(shape).recipe
    assert replace(shape, **{field: CHANGES[field](shape)}).recipe != shape.recipe


def test_expressions_of_one_graph_share_a_recipe_and_a_program() -> None:
    shape = shape_of(make_plan([3, 4, 1])[0])
    made = [
        replace(shape, loss=Loss("expression", parse_loss(text), "value"))
        for text in ("(s - y)**2", "(s-y) ** 2", "(y - s)**2", "(s - y)**4")
    ]
    assert len({each.recipe for each in made}) == 3
    assert made[0].recipe == made[1].recipe
    assert len({Program(each, host(), None).text for each in made}) == 3
