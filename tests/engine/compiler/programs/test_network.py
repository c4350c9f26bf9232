"""Networks: kernels are shared by layers of one shape, whatever the depth."""

import pytest

from engine.compiler.programs.training import program
from engine.execution.compiled.memory import shape_of
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.compiled.test_executor import assert_same


def functions(depth: int) -> int:
    plan, _ = make_plan([64] * (depth + 1) + [1], activation="relu", batch=32, choice=optimizer("adam"))
    return program(shape_of(plan)).text.count("define internal")


def test_code_grows_with_distinct_shapes_not_with_depth() -> None:
    assert functions(12) == functions(3)


@pytest.mark.parametrize("depth", [1, 10])
def test_deep_networks_train_alike(depth: int) -> None:
    plan, state = make_plan([6] * depth + [1], batch=8, epochs=3, choice=optimizer("adam"))
    assert_same(plan, state, 1e-10)


@pytest.mark.parametrize("batch", [None, 7])
def test_validation_leaves_the_training_rows_alone(batch: int | None) -> None:
    with_rows, state = make_plan([3, 9, 1], rows=20, validation=50, batch=batch, epochs=3)
    assert_same(with_rows, state, 1e-11)
