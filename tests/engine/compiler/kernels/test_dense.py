"""Matrix kernels through whole steps: every width and batch around the sizes of vectors, panels and tiles."""

import pytest

from engine.compiler.jit import Target, host
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


@pytest.mark.parametrize("sizes", [[3, 5, 2], [7, 9, 1], [1, 8, 1], [9, 16, 17], [30, 61, 3]])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_sums_taken_in_parts_train_to_the_bits_of_sums_taken_together(
    sizes: list[int], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer registers hold fewer sums over the rows; how each is summed stays the same, on whatever CPU."""
    plan, state = make_plan(sizes, rows=19, batch=batch, epochs=2)
    found = []
    for registers, mark in ((16, ",+sse"), (32, ",+sse2")):  # marked: two targets, two codes
        monkeypatch.setattr(Target, "registers", _always(registers))
        found.append(fingerprint(plan, state, [2], Target(host().cpu, host().features + mark)))
    assert found[0] == found[1]


def _always(number: int) -> property:
    return property(lambda _: number)
