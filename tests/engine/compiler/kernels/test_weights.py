"""Weight gradients: how many sums are kept in registers at once changes no bit."""

import pytest

from tests.engine.compiler.machine import target_with
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.compiled.test_executor import fingerprint


@pytest.mark.parametrize("sizes", [[3, 5, 2], [7, 9, 1], [1, 8, 1], [9, 16, 17], [30, 61, 3]])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_sums_taken_in_parts_train_to_the_bits_of_sums_taken_together(
    sizes: list[int], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer registers hold fewer sums over the rows; how each is summed stays the same, on whatever CPU."""
    plan, state = make_plan(sizes, rows=19, batch=batch, epochs=2)
    few, many = (fingerprint(plan, state, [2], target_with(n, monkeypatch)) for n in (16, 32))
    assert few == many
