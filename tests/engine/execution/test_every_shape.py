"""Widths, depths, outputs, batches, weights and dropout, each beside every other: NumPy and scalars judge.

All combinations would be some 230,000 trainings. What breaks a kernel is a width that leaves a tail,
or two such things together, so every *pair* of values is trained in some cell: `cells` covers them.
"""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from engine.execution.arrays import ArrayExecutor
from engine.execution.compiled.executor import CompiledExecutor
from engine.execution.eager import EagerExecutor
from engine.execution.plan import Plan, State, unflatten
from engine.nn.activations import ACTIVATIONS
from engine.nn.losses import LOSSES
from tests.engine.compiler.plans import make_plan, optimizer
from tests.engine.execution.test_arrays import agree

Cell = dict[str, Any]

DIMENSIONS: dict[str, list[Any]] = {
    "width": [1, 2, 15, 16, 17, 31, 33, 100, 1000, 3000],
    "outputs": [1, 2, 7, 8, 9, 16, 17, 100, 300],
    "depth": [0, 1, 10, 50],
    "batch": [1, 7, 8, 9, None, 100],
    "rows": [1, 16, 29],
    "weights": [None, "sample", "class"],
    "dropout": [0.0, 0.25],
    "precision": ["float64", "float32"],
    "optimizer": ["sgd", "clipped_sgd", "adam"],
}
EAGER_WORK = 20_000
"""Parameters times rows up to which the eager executor, some microseconds for each, judges too."""
SMOOTH = [name for name in ACTIVATIONS.names() if name not in ("relu", "leaky_relu")]
"""Across a kink the last bit of a sum decides on a slope, and executors that sum in other orders part."""


def pairs(cell: Cell) -> set[tuple[Any, ...]]:
    return {((a, cell[a]), (b, cell[b])) for a, b in combinations(DIMENSIONS, 2)}


def cells() -> list[Cell]:
    """Greedily, from the same numbers each time: the candidate with the most pairs that are still missing."""
    draw = np.random.default_rng(5)
    missing = {
        ((a, x), (b, y)) for a, b in combinations(DIMENSIONS, 2) for x in DIMENSIONS[a] for y in DIMENSIONS[b]
    }
    found = []
    while missing:
        wanted = dict(min(missing, key=str))
        tries: list[Cell] = [
            {name: values[draw.integers(len(values))] for name, values in DIMENSIONS.items()} | wanted
            for _ in range(40)
        ]
        best = max(tries, key=lambda cell: len(pairs(cell) & missing))
        missing -= pairs(best)
        found.append(best)
    return found


CELLS = cells()


def plan_of(cell: Cell) -> tuple[Plan, State]:
    """A plan of `depth` hidden layers: the first is `width` wide, those after it at most 33."""
    width, outputs, depth = cell["width"], cell["outputs"], cell["depth"]
    number = CELLS.index(cell)
    rate = 0.05 / max(width, 17)
    choices = {
        "sgd": optimizer("sgd", learning_rate=rate),
        "clipped_sgd": optimizer("sgd", learning_rate=rate, clip_norm=0.5),
        "adam": optimizer("adam", eps=1e-3),
    }
    task = "multiclass" if outputs > 1 else ("binary", "regression")[number % 2]
    losses = [name for name, loss in LOSSES if task in loss.tasks and name not in ("mae", "hinge")]
    plan, state = make_plan(
        [min(width, 100), width, *[min(width, 33)] * (depth - 1), outputs] if depth else [width, outputs],
        task=task,
        loss=losses[number % len(losses)],
        activation=SMOOTH[number % len(SMOOTH)],
        choice=choices[cell["optimizer"]],
        rows=cell["rows"],
        validation=number % 3 * 5,
        batch=cell["batch"],
        epochs=3,
        dropout=cell["dropout"],
        weighted=cell["weights"] == "sample",
        precision=cell["precision"],
        seed=number,
    )
    if cell["weights"] == "class":
        plan = replace(plan, train=replace(plan.train, weights=0.5 + plan.train.labels % 3.0))
    return plan, State.initial(plan, scaled(plan, state))


def scaled(plan: Plan, state: State) -> Any:
    """First parameters of a size that neither dies nor explodes through fifty layers."""
    parameters = state.parameters.copy()
    for weights, _ in unflatten(plan.layers, parameters):
        np.multiply(weights, 3.5 / np.sqrt(weights.shape[1]), out=weights)
    return parameters


def name_of(cell: Cell) -> str:
    return "-".join(str(value) for value in cell.values())


def is_quick(cell: Cell) -> bool:
    return bool(cell["width"] <= 100 and cell["depth"] <= 10 and cell["outputs"] <= 17)


def marked(cell: Cell) -> Any:
    return pytest.param(cell, id=name_of(cell), marks=[] if is_quick(cell) else [pytest.mark.slow])


@pytest.mark.parametrize("cell", [marked(cell) for cell in CELLS])
def test_the_judges_agree(cell: Cell) -> None:
    plan, state = plan_of(cell)
    exact = plan.precision == "float64"
    compiled = CompiledExecutor(plan, state)
    made = compiled.run(plan.epochs)
    judges: list[Any] = [ArrayExecutor]
    if exact and plan.parameter_count * len(plan.train) <= EAGER_WORK:
        judges.append(EagerExecutor)
    for judge in judges:
        executor = judge(plan, state)
        wanted = executor.run(plan.epochs)
        assert made.diverged is None
        assert wanted.diverged is None
        agree(plan, wanted, made, 1e-9 if exact else 2e-3)
        scale = np.abs(executor.state.parameters).max()
        off = np.abs(compiled.state.parameters - executor.state.parameters)
        assert off.max() <= (1e-10 if exact else 2e-3) * scale


def test_every_pair_of_values_is_trained() -> None:
    trained = set().union(*(pairs(cell) for cell in CELLS))
    sizes = [len(values) for values in DIMENSIONS.values()]
    assert len(trained) == sum(a * b for a, b in combinations(sizes, 2))
