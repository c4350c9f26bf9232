"""The head of a single output or a few classes: narrow and wide inputs, losses, output activations, tails."""

from typing import Any

import pytest

from engine.compiler.jit import Target
from engine.compiler.kernels.layout import FEW
from engine.compiler.programs.training import program
from engine.execution.compiled.memory import shape_of
from engine.execution.eager import EagerExecutor
from engine.nn.losses import LOSSES
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.compiled.test_executor import assert_same, fingerprint

SINGLE = [name for name, loss in LOSSES if not loss.rowwise]


@pytest.mark.parametrize("loss", SINGLE)
@pytest.mark.parametrize("inputs", [3, 20])
def test_every_loss_gives_the_eager_loss_and_metrics(loss: str, inputs: int) -> None:
    plan, state = make_plan([inputs, 1], loss=loss, rows=13, batch=6, validation=9, weighted=True, epochs=2)
    assert_same(plan, state, 1e-11, EagerExecutor)


@pytest.mark.parametrize("classes", range(2, FEW + 2))
@pytest.mark.parametrize("width", [5, 16, 35])
@pytest.mark.parametrize("batch", [1, 6, None])
def test_a_few_classes_train_as_the_eager_ones(classes: int, width: int, batch: int | None) -> None:
    plan, state = make_plan(
        [3, width, classes], loss="cross_entropy", rows=13, batch=batch, validation=9, epochs=2
    )
    assert_same(plan, state, 1e-11, EagerExecutor)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "relu"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_an_activation_of_the_scores_scales_their_slopes(activation: str, loss: str) -> None:
    plan, state = make_plan([3, 9, 3], loss=loss, output_activation=activation, rows=13, batch=6)
    assert_same(plan, state, 1e-11, EagerExecutor)


def test_few_outputs_take_no_panel_of_their_own() -> None:
    plan, _ = make_plan([4, 16, 3], loss="cross_entropy", batch=16, choice=optimizer("adam"))
    text = program(shape_of(plan)).text
    assert "class_head" not in text
    assert "transposition" not in text


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("loss", ["cross_entropy", "hinge"])
def test_bits_of_a_few_classes_know_no_chunks_and_no_widths(precision: str, loss: str) -> None:
    shape: dict[str, Any] = {"sizes": [4, 19, 3], "batch": 9, "validation": 5, "choice": optimizer("adam")}
    plan, state = make_plan(**shape, loss=loss, epochs=5, precision=precision)
    whole = fingerprint(plan, state, [5])
    assert fingerprint(plan, state, [2, 1, 2]) == whole
    assert fingerprint(plan, state, [5], Target.avx2()) == whole
