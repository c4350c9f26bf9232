"""Shapes: what makes another program, and what only makes another run of it."""

from dataclasses import replace

from engine.compiler.programs.shape import structure, variables
from engine.execution.compiled_data import shape_of
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
