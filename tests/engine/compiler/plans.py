"""Plans in numbers, of any shape, without a table behind them."""

from itertools import pairwise
from typing import Any

import numpy as np

from engine.execution.plan import LayerPlan, Plan, Rows, State
from engine.nn.losses import LOSSES, Loss
from engine.spec.families import OPTIMIZER
from engine.spec.objects import Choice
from engine.spec.sections import EarlyStopping


def optimizer(name: str = "sgd", **knobs: Any) -> Choice:
    defaults = {key: knob.default for key, knob in OPTIMIZER.members[name].items()}
    return Choice(name, defaults | knobs)


def some_rows(
    count: int, sizes: list[int], task: str, loss: Loss, generator: np.random.Generator, *, weighted: bool
) -> Rows:
    x, outputs = generator.standard_normal((count, sizes[0])), sizes[-1]
    weights = generator.uniform(0.5, 1.5, count) if weighted else None
    if task == "regression":
        labels = generator.standard_normal(count)
        return Rows(x, labels[:, None].copy(), labels, weights, 1.7)
    labels = generator.integers(0, max(outputs, 2), count).astype(float)
    indicator = labels[:, None] if outputs == 1 else (labels[:, None] == np.arange(outputs)).astype(float)
    margin = loss.targets == "margin" or (loss.targets == "value" and task == "binary")
    return Rows(x, 2 * indicator - 1 if margin else indicator.copy(), labels, weights)


def make_plan(
    sizes: list[int],
    *,
    activation: str = "tanh",
    output_activation: str = "linear",
    loss: str = "mse",
    task: str = "",
    choice: Choice | None = None,
    schedule: Choice | None = None,
    rows: int = 50,
    validation: int = 0,
    batch: int | None = None,
    epochs: int = 4,
    dropout: float = 0.0,
    weighted: bool = False,
    precision: str = "float64",
    stopping: EarlyStopping | None = None,
    seed: int = 1,
) -> tuple[Plan, State]:
    """A plan over random rows, and its first state."""
    generator, last = np.random.default_rng(seed), len(sizes) - 2
    task = task or ("multiclass" if sizes[-1] > 1 else "binary")
    kind = LOSSES.get(loss)
    layers = tuple(
        LayerPlan(a, b, output_activation if i == last else activation, 0.0 if i == last else dropout)
        for i, (a, b) in enumerate(pairwise(sizes))
    )
    held = some_rows(validation, sizes, task, kind, generator, weighted=False) if validation else None
    plan = Plan(
        layers=layers,
        task=task,
        loss=kind,
        optimizer=choice or optimizer("sgd", learning_rate=0.05),
        schedule=schedule or Choice("constant", {"warmup_epochs": 0}),
        epochs=epochs,
        batch_size=batch,
        seed=seed,
        precision=precision,
        early_stopping=stopping,
        train=some_rows(rows, sizes, task, kind, generator, weighted=weighted),
        validation=held,
    )
    return plan, State.initial(plan, generator.uniform(-0.4, 0.4, plan.parameter_count))
