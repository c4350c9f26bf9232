"""Matrix kernels through whole steps: every width and batch around the sizes of vectors, panels and tiles."""

import pytest

from engine.compiler.jit import Target
from tests.engine.compiler.machine import target_with
from tests.engine.compiler.plans import make_plan
from tests.engine.execution.compiled.test_executor import assert_same, fingerprint


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65])
def test_every_width_trains_alike(width: int) -> None:
    plan, state = make_plan([width, width, width + 1, 1], rows=11, batch=4, epochs=2)
    assert_same(plan, state, 1e-11)


@pytest.mark.parametrize("batch", [*range(1, 14), 16, 23, 24, 25, 40])
def test_every_batch_and_its_tail_train_alike(batch: int) -> None:
    plan, state = make_plan([5, 18, 6, 3], loss="cross_entropy", rows=41, batch=batch, epochs=2)
    assert_same(plan, state, 1e-11)


def test_wide_layers_train_alike() -> None:
    plan, state = make_plan(
        [100, 300, 257, 10], loss="cross_entropy", activation="relu", rows=70, batch=32, epochs=2
    )
    assert_same(plan, state, 1e-11)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("batch", [16, 20, 23])
def test_panels_taken_by_two_train_to_the_bits_of_panels_taken_one_by_one(batch: int, precision: str) -> None:
    """Fewer registers leave no room for two panels: there each is taken alone."""
    plan, state = make_plan(
        [30, 128, 61, 3], loss="cross_entropy", rows=50, batch=batch, epochs=2, precision=precision
    )
    assert fingerprint(plan, state, [2], Target.avx2()) == fingerprint(plan, state, [2])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("batch", [5, 6, 7, 59])
def test_tall_tiles_train_to_the_bits_of_flat_ones(
    batch: int, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where few registers meet a great panel of weights, rows go through it by sixes, in groups of 48."""
    plan, state = make_plan([300, 17, 300, 3], rows=61, batch=batch, epochs=2, precision=precision)
    few, many = (fingerprint(plan, state, [2], target_with(n, monkeypatch)) for n in (16, 32))
    assert few == many
