"""The workspace: regions apart from each other, memory a small multiple of a batch."""

from typing import Any

import numpy as np
import pytest

from engine.compiler.programs.training import program
from engine.execution.compiled.memory import shape_of
from tests.engine.compiler.plans import make_plan, optimizer

CASES: list[dict[str, Any]] = [
    {"sizes": [20, 37, 40, 5], "loss": "cross_entropy", "batch": 9, "validation": 5, "dropout": 0.2},
    {"sizes": [20, 37, 40, 1], "loss": "hinge", "rows": 40, "activation": "gelu"},
]


@pytest.mark.parametrize("case", CASES, ids=["classes", "hinge"])
def test_regions_do_not_overlap_and_fill_the_workspace(case: dict[str, Any]) -> None:
    plan, _ = make_plan(**case)
    regions = program(shape_of(plan)).network.regions
    places = list(regions._places.values())
    assert places == sorted(set(places))
    assert regions.size > places[-1]


def test_memory_is_parameters_and_a_few_batches() -> None:
    plan, _ = make_plan(
        [100, 512, 512, 10],
        loss="cross_entropy",
        activation="relu",
        batch=256,
        rows=300,
        choice=optimizer("adam"),
    )
    size = program(shape_of(plan)).network.size
    batch = 256 * sum((100, 512, 512, 10))
    assert size <= 6 * plan.parameter_count + 3 * batch
    assert np.isfinite(size)
