"""What a spec and an encoding make: layers, the loss, targets in the form that it compares."""

import pytest

from engine.execution.plan import LayerPlan
from engine.models.network import encoded_rows, layer_plans, loss_of
from engine.spec.sections import LossChoice
from engine.training.preparation import prepare
from tests.engine.trainings import mixed_table, spec_for


def test_layers_lead_from_the_encoded_width_to_an_output_a_class() -> None:
    table = mixed_table("multiclass")
    spec = spec_for(table, model={"hidden_layers": [{"units": 5, "activation": "elu"}]})
    encoding = prepare(spec, table).encoding
    first, last = layer_plans(spec, encoding)
    assert first == LayerPlan(encoding.width, 5, "elu")
    assert last == LayerPlan(5, 3, spec.model.output_activation)


def test_a_users_expression_is_a_loss_of_every_task() -> None:
    assert loss_of(LossChoice(expression="(s - y)**2")).tasks == ("binary", "multiclass", "regression")
    assert loss_of(LossChoice("hinge")).targets == "margin"


@pytest.mark.parametrize(
    ("kind", "loss", "targets"),
    [
        ("binary", "hinge", {-1.0, 1.0}),
        ("binary", "binary_cross_entropy", {0.0, 1.0}),
        ("binary", {"expression": "(s - y)**2"}, {-1.0, 1.0}),
        ("multiclass", "cross_entropy", {0.0, 1.0}),
    ],
)
def test_targets_have_the_form_that_the_loss_compares(kind: str, loss: object, targets: set[float]) -> None:
    table = mixed_table(kind)
    spec = spec_for(table, loss=loss, class_weight="balanced")
    rows = encoded_rows(spec, prepare(spec, table).encoding, table)
    assert set(rows.targets.ravel().tolist()) == targets
    assert rows.weights is None
    assert len(rows) == table.row_count
